// Receives the single file of a multipart form (RFC 7578) while it arrives, with only a few chunks in memory. Reads and drops
// text fields beside it, which upload widgets send without being asked.
import { Readable } from 'node:stream';
import type { Multipart, MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { FORM } from '../common/http/hooks/body.hooks.js';
import { HttpErrors } from '../common/http/http.errors.js';
import { AppError } from '../shared/libs/app-error.js';
import { runningRequest } from '../shared/logging/request-context.js';
import { expectFileName, withoutBrowserEscapes } from './file-name.js';
import type { FileEntity } from './file.entity.js';
import type { FileIntake } from './file-intake.js';
import { FileErrors } from './files.errors.js';
import { type FormHeads, type PartHead, watchFormHeads } from './form-head.js';
import type { Owner } from '../common/access/permissions.js';

/** Name of the form's field with the file. */
export const FILE_FIELD = 'file';

const MAX_TEXT_FIELDS = 10;
const MAX_TEXT_BYTES = 4_096;
/** Maximum length of a field name, characters. */
const MAX_NAME = 100;

/** Limits of the form apart from the bytes of the file, whose limit is FILE_MAX_SIZE. */
const FORM_LIMITS = {
  files: 1,
  fields: MAX_TEXT_FIELDS,
  parts: 1 + MAX_TEXT_FIELDS,
  fieldNameSize: MAX_NAME,
  fieldSize: MAX_TEXT_BYTES,
  headerPairs: 10,
};

/** Maximum size of the form around its file: boundaries, headers, text fields. */
const MAX_FRAMING_BYTES = 64 * 1024;

/**
 * Throws UNSUPPORTED_MEDIA_TYPE, VALIDATION_FAILED for a second file or too much text, BAD_REQUEST, REQUEST_TIMEOUT, and what
 * `receive` throws; then nothing is left in the storage.
 */
export async function receiveFile(
  request: FastifyRequest,
  owner: Owner,
  bucket: string,
  intake: FileIntake,
): Promise<FileEntity> {
  if (!request.isMultipart()) throw HttpErrors.UNSUPPORTED_MEDIA_TYPE(FORM);
  if (request.raw.destroyed) throw brokenOff(); // closed while the guard ran: the parser would never notice
  const { maxBytes } = intake;
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > maxBytes + MAX_FRAMING_BYTES) throw FileErrors.TOO_LARGE(maxBytes);
  const heads = watchFormHeads(request.raw, request.headers['content-type'] ?? '');
  const parts = request.parts({ preservePath: true, limits: { ...FORM_LIMITS, fileSize: maxBytes + 1 } }); // `receive` throws first
  try {
    const { part, head } = await fileOf(parts, heads);
    return await intake.receive(owner, Readable.from(withProblems(part.file), { objectMode: false }), {
      bucket,
      name: nameOf(part, head),
      mimeType: part.mimetype,
      expectedBytes: Math.max(0, length - MAX_FRAMING_BYTES),
      signal: runningRequest()?.signal,
      expectEnd: async () => {
        if ((await skipText(parts)).part) throw notOneFile();
      },
    });
  } finally {
    request.raw.unpipe().resume(); // drains the rest: a client that is still sending does not read the answer
  }
}

/** Throws VALIDATION_FAILED. */
function nameOf(part: MultipartFile, head: PartHead): string | undefined {
  const given = part.filename as string | undefined; // a part that is declared as bytes needs no name
  const name = head.hasEncodedName ? given : withoutBrowserEscapes(given);
  expectFileName('filename', name);
  return name;
}

async function fileOf(
  parts: AsyncIterator<Multipart>,
  heads: FormHeads,
): Promise<{ part: MultipartFile; head: PartHead }> {
  const { part, skipped } = await skipText(parts);
  const head = part && heads.of(skipped);
  if (head === null) throw ambiguous();
  if (!head || part?.type !== 'file' || part.fieldname !== FILE_FIELD) throw notOneFile();
  return { part, head };
}

/** Returns the next part that is not a text field; undefined at the end. Throws VALIDATION_FAILED for text that is too long. */
async function skipText(parts: AsyncIterator<Multipart>): Promise<{ part: Multipart | undefined; skipped: number }> {
  for (let skipped = 0; ; skipped++) {
    const part = await nextOf(parts);
    if (part?.type !== 'field' || part.fieldname === FILE_FIELD) return { part, skipped };
    const name = part.fieldname as string | undefined; // the parser also accepts a part without a name
    if (name === undefined || name.length > MAX_NAME || part.valueTruncated) throw notOneFile();
  }
}

async function nextOf(parts: AsyncIterator<Multipart>): Promise<Multipart | undefined> {
  try {
    const next = await parts.next();
    return next.done === true ? undefined : next.value;
  } catch (error) {
    throw toRefusal(error);
  }
}

/** Converts errors of the source to client errors, so that errors of the storage stay server errors. */
async function* withProblems(source: Readable): AsyncGenerator<Buffer> {
  try {
    yield* source as AsyncIterable<Buffer>;
  } catch (error) {
    throw toRefusal(error);
  }
}

function toRefusal(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const { code = '' } = error as { code?: string };
  if (/^FST_(PARTS|FILES|FIELDS)_LIMIT$/.test(code)) return notOneFile();
  return brokenOff();
}

function notOneFile(): AppError {
  const message = `${FILE_FIELD} must be the only file of the form, with at most ${MAX_TEXT_FIELDS} text fields of ${MAX_TEXT_BYTES} bytes beside it`;
  return HttpErrors.VALIDATION_FAILED(message).withFields([{ field: FILE_FIELD, rule: 'isFile', message }]);
}

function ambiguous(): AppError {
  return HttpErrors.BAD_REQUEST(
    'The boundary or the Content-Disposition of the form is not well-formed: quotes within a name must be escaped.',
  );
}

function brokenOff(): AppError {
  return HttpErrors.BAD_REQUEST('The form is not well-formed multipart/form-data, or it was broken off.');
}
