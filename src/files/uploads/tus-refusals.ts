// Maps errors of tus to errors of the application.
import { ERRORS } from '@tus/server';
import { UPLOAD_PART } from '../../common/http/hooks/body.hooks.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import type { AppError } from '../../shared/libs/app-error.js';
import { UploadErrors } from './uploads.errors.js';

const LOCKED = (): AppError => UploadErrors.LOCKED().withHeader('Retry-After', '1');

const REFUSALS = new Map<unknown, () => AppError>([
  [ERRORS.INVALID_LENGTH, UploadErrors.LENGTH_REQUIRED],
  [ERRORS.MISSING_OFFSET, () => invalidHeaders(['upload-offset'])],
  [ERRORS.INVALID_CONTENT_TYPE, () => HttpErrors.UNSUPPORTED_MEDIA_TYPE(UPLOAD_PART)],
  [ERRORS.INVALID_OFFSET, UploadErrors.OFFSET_CONFLICT],
  [ERRORS.ERR_SIZE_EXCEEDED, UploadErrors.TOO_LONG],
  [ERRORS.UNSUPPORTED_CONCATENATION_EXTENSION, () => UploadErrors.EXTENSION_UNSUPPORTED('concatenation')],
  [
    ERRORS.UNSUPPORTED_CREATION_DEFER_LENGTH_EXTENSION,
    () => UploadErrors.EXTENSION_UNSUPPORTED('creation-defer-length'),
  ],
  [ERRORS.ABORTED, LOCKED], // aborted by a newer request, before it has written
]);

/**
 * Maps what tus, or a function that it calls, has thrown. `thrown` is undefined when tus rejected headers, whose names are
 * in its `answer`. Returns unknown errors unchanged.
 */
export function toRefusal(thrown: unknown, answer: string): unknown {
  if (thrown === undefined) return invalidHeaders(answer.trim().split(' ').slice(1));
  const known = REFUSALS.get(thrown);
  if (known) return known();
  return (thrown as { status_code?: unknown }).status_code === 413 ? UploadErrors.TOO_LONG() : thrown;
}

function invalidHeaders(names: readonly string[]): AppError {
  const fields = names.map((field) => ({
    field,
    rule: 'tus',
    message: `${field} is missing, or not as tus 1.0.0 requires`,
  }));
  return HttpErrors.VALIDATION_FAILED(fields.map(({ message }) => message).join('; ')).withFields(fields);
}
