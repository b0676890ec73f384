// The global body and query check: DTO classes decide, unknown members are refused, every fault is named.
import { type ArgumentMetadata, ValidationPipe, type ValidationError } from '@nestjs/common';
import type { AppError, FieldError } from '../../shared/libs/app-error.js';
import { HttpErrors } from '../http.errors.js';

/** More faults than a reader will read. */
const MOST_FAULTS = 50;

/** What class-validator lets pass: `null` for a body, and unknown members that every object inherits (`constructor`, …). */
class InputPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (value === null) throw HttpErrors.VALIDATION_FAILED('The body must be a JSON object.');
    const inherited = findInherited(value, '');
    if (inherited !== null) {
      const message = `property ${inherited} should not exist`;
      throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field: inherited, rule: 'unknownMember', message }]);
    }
    return super.transform(value, metadata) as Promise<unknown>;
  }
}

/** Path of the first own member with the name of one of Object.prototype's. */
function findInherited(value: unknown, parent: string): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    const found = key in Object.prototype ? parent + key : findInherited(member, `${parent}${key}.`);
    if (found !== null) return found;
  }
  return null;
}

export function createValidationPipe(): ValidationPipe {
  return new InputPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    stopAtFirstError: true,
    validationError: { target: false, value: false },
    exceptionFactory: toValidationError,
  });
}

function toValidationError(errors: ValidationError[]): AppError {
  const fields = errors.flatMap((error) => flatten(error, '')).slice(0, MOST_FAULTS);
  const detail = fields.map((field) => field.message).join('; ');
  return HttpErrors.VALIDATION_FAILED(detail.length > 1_000 ? `${detail.slice(0, 1_000)}…` : detail).withFields(fields);
}

function flatten(error: ValidationError, parent: string): FieldError[] {
  const field = `${parent}${error.property}`.slice(0, 200);
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) =>
    rule === 'whitelistValidation'
      ? { field, rule: 'unknownMember', message: `property ${field} should not exist` }
      : { field, rule, message: nameField(message, error.property, field).slice(0, 300) },
  );
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, `${field}.`))];
}

/** class-validator knows the member's name, not the path to it. */
function nameField(message: string, property: string, field: string): string {
  return message.startsWith(property) ? field + message.slice(property.length) : message;
}
