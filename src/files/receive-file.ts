// The one file of a multipart form (RFC 7578), stored as it comes: never more of it in memory than a few pieces.
import { Readable } from 'node:stream';
import type { Multipart } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { HttpErrors } from '../common/http.errors.js';
import { AppError } from '../shared/libs/app-error.js';
import { runningRequest } from '../shared/services/logging/request-context.js';
import { FileErrors } from './files.errors.js';
import type { FilesService, StoredBlob } from './files.service.js';

/** Name of the form's only field. */
export const FILE_FIELD = 'file';

/** What a form may hold besides the bytes; theirs is FILE_MAX_SIZE. */
export const FORM_LIMITS = { files: 1, fields: 0, parts: 1, fieldNameSize: 100, fieldSize: 0, headerPairs: 10 };

/** Of a form around its file: boundaries, headers. */
const MOST_FRAMING_BYTES = 64 * 1024;

/** Throws UNSUPPORTED_MEDIA_TYPE, VALIDATION_FAILED, BAD_REQUEST, REQUEST_TIMEOUT, TOO_LARGE; leaves nothing then. */
export async function receiveFile(request: FastifyRequest, files: FilesService): Promise<StoredBlob> {
  if (!request.isMultipart()) throw HttpErrors.UNSUPPORTED_MEDIA_TYPE();
  const { maxBytes } = files;
  if (Number(request.headers['content-length']) > maxBytes + MOST_FRAMING_BYTES) throw FileErrors.TOO_LARGE(maxBytes);
  if (request.raw.destroyed) throw brokenOff(); // while the guard was at work: nobody would tell the parser
  const parts = request.parts({ limits: { ...FORM_LIMITS, fileSize: maxBytes } });
  try {
    return await storeOnly(parts, files);
  } finally {
    request.raw.unpipe().resume(); // the rest is thrown away: who is still sending would not hear the answer
  }
}

/** Stores the first part; a second one, or a broken end, undoes it. */
async function storeOnly(parts: AsyncIterator<Multipart>, files: FilesService): Promise<StoredBlob> {
  const part = await nextOf(parts);
  if (part?.type !== 'file' || part.fieldname !== FILE_FIELD) throw notOneFile();
  part.file.once('limit', () => part.file.destroy(FileErrors.TOO_LARGE(files.maxBytes)));
  const source = Readable.from(told(part.file), { objectMode: false });
  const signal = runningRequest()?.signal;
  const blob = await files.store(source, { name: part.filename, mimeType: part.mimetype, signal });
  try {
    if (await nextOf(parts)) throw notOneFile();
  } catch (error) {
    await files.discard(blob);
    throw error;
  }
  return blob;
}

async function nextOf(parts: AsyncIterator<Multipart>): Promise<Multipart | undefined> {
  try {
    const next = await parts.next();
    return next.done === true ? undefined : next.value;
  } catch (error) {
    throw toRefusal(error);
  }
}

/** What goes wrong with the source is the client's; what goes wrong with the storage stays ours. */
async function* told(source: Readable): AsyncGenerator<Buffer> {
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
  const message = `${FILE_FIELD} must be the only part of the form, and a file`;
  return HttpErrors.VALIDATION_FAILED(message).withFields([{ field: FILE_FIELD, rule: 'isFile', message }]);
}

function brokenOff(): AppError {
  return HttpErrors.BAD_REQUEST('The form is not well-formed multipart/form-data, or it was broken off.');
}
