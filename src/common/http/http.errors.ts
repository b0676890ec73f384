// Errors of every route: HTTP conventions, checked before a module is reached, and internal failures.
import { STATUS_CODES } from 'node:http';
import { defineErrors } from '../../shared/libs/app-error.js';

/** Not in any RFC; nginx uses it, so most readers of logs know it. From now on all users of STATUS_CODES find this name. */
STATUS_CODES[499] = 'Client Closed Request';

export const HttpErrors = defineErrors('', {
  VALIDATION_FAILED: {
    status: 400,
    level: 'debug',
    message: (detail: string) => detail,
    cure: 'Correct the fields listed in `errors` and send the request again.',
  },
  BAD_REQUEST: {
    status: 400,
    level: 'debug',
    message: (detail: string) => detail,
    cure: 'The request is not well-formed HTTP or uses a header wrongly; see `detail`.',
  },
  INVALID_JSON: {
    status: 400,
    level: 'debug',
    message: (detail: string) => detail,
    cure: 'Send valid JSON (RFC 8259) in UTF-8: nested at most 32 levels, at most 1000 members in one object or array and 10000 values in all, keys of at most 256 characters, without NUL characters and lone surrogates.',
  },
  BATCH_NOT_JSON: {
    status: 400,
    level: 'debug',
    message: (type: string) => `The answer is ${type}; a batch holds JSON only.`,
    cure: 'Send this request by itself. It was executed, but its response was not read.',
  },
  BATCH_IN_BATCH: {
    status: 400,
    level: 'debug',
    message: () => 'A batch cannot contain a batch.',
    cure: 'Put all requests into one list, or send several batches.',
  },
  INVALID_CURSOR: {
    status: 400,
    level: 'debug',
    message: () => 'The cursor was not made for this list and order.',
    cure: 'Use `nextCursor` unchanged, with the same `sort`; without `cursor` the list starts from the beginning.',
  },
  UNAUTHENTICATED: {
    status: 401,
    level: 'debug',
    message: (detail: string) => detail,
    cure: 'Log in (POST /api/auth/login) and send `Authorization: Bearer <accessToken>`; refresh an expired one (POST /api/auth/refresh).',
  },
  AUTH_TOKEN_INVALID: {
    status: 401,
    level: 'debug',
    message: () => 'The access token is malformed, expired, or its session has ended.',
    cure: 'Refresh it (POST /api/auth/refresh) or log in again.',
  },
  FORBIDDEN: {
    status: 403,
    level: 'info',
    message: (permission: string) => `This needs the permission ${permission}.`,
    cure: 'Ask an administrator for a role that has the permission.',
  },
  ROUTE_NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (method: string, path: string) => `There is no ${method} ${path}.`,
    cure: 'Look the route up in Swagger UI at /docs; paths are case-sensitive and have no trailing slash.',
  },
  REQUEST_NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No request ${id} of yours is in flight.`,
    cure: 'It has been answered or never arrived. Use the `X-Request-Id` that it was sent with.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    level: 'debug',
    message: (method: string, allowed: string) => `This path has no ${method}, only ${allowed}.`,
    cure: 'Use one of the methods in `Allow`; Swagger UI at /docs describes each.',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    level: 'info',
    message: () => 'The body did not arrive in time.',
    cure: 'Send the whole body at once; for slow connections increase BODY_TIMEOUT.',
  },
  CONFLICT: {
    status: 409,
    level: 'info',
    message: () => 'The change conflicts with another one.',
    cure: 'Read the object again and repeat the change.',
  },
  VERSION_STALE: {
    status: 412,
    level: 'debug',
    message: (required: readonly number[] = []) =>
      required.length === 0
        ? 'If-Match or If-None-Match does not allow the version that the object has.'
        : `The object is not at version ${required.join(' or ')} any more.`,
    cure: 'Read the object again, look at what changed, and repeat with its new ETag in If-Match. If-None-Match refuses the versions that it names; `*` refuses every one.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    level: 'info',
    message: () => 'The body is larger than this route takes.',
    cure: 'Send less data in one request.',
  },
  BATCH_TOO_LARGE: {
    status: 413,
    level: 'info',
    message: (detail: string) => detail,
    cure: 'The answers of a batch are 2 MiB together at most. Send this request in another batch, or request less data; `detail` states whether it was executed.',
  },
  URI_TOO_LONG: {
    status: 414,
    level: 'debug',
    message: () => 'A part of the path is longer than any identifier here.',
    cure: 'Check the path: identifiers are UUIDs of 36 characters.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    level: 'debug',
    message: (mediaType = 'application/json') => `Bodies are read as ${mediaType} only.`,
    cure: 'Send the `Content-Type` that `detail` names.',
  },
  CONTENT_ENCODING_UNSUPPORTED: {
    status: 415,
    level: 'debug',
    message: () => 'Bodies are read as they are, without a Content-Encoding.',
    cure: 'Send the body without compression, and no `Content-Encoding`.',
  },
  UNPROCESSABLE: {
    status: 422,
    level: 'info',
    message: () => 'The values are well-formed but contradict a rule of the data.',
    cure: 'Check the values against the field descriptions in Swagger UI.',
  },
  RATE_LIMITED: {
    status: 429,
    level: 'info',
    message: (tier: string, { quota, window }: { quota: number; window: number }, ofSite = false) =>
      `The ${tier} limit of ${quota} in ${window} s ${ofSite ? 'of your /48 network ' : ''}is used up.`,
    cure: 'Wait for the seconds in Retry-After. To see it coming, read `RateLimit` (what is left) and `RateLimit-Policy` (what is allowed) of every answer; a costly route counts as several requests.',
  },
  SEARCH_BUSY: {
    status: 429,
    level: 'info',
    message: () => 'Other searches of yours are already running and waiting.',
    cure: 'One search of a user runs at a time and a few may wait. Wait for their answers, or for the seconds in Retry-After.',
  },
  TOO_MANY_UPLOADS: {
    status: 429,
    level: 'info',
    message: (perUser: number) => `${perUser} of your uploads are arriving already.`,
    cure: 'Send further files when earlier ones have arrived. The operator sets the limit with UPLOADS_PER_USER.',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    level: 'debug',
    message: () => 'The request headers are larger than 16 KiB, or there are more than 100.',
    cure: 'Send fewer or shorter headers and cookies.',
  },
  REQUEST_CANCELLED: {
    status: 499,
    level: 'debug',
    message: () => 'The request was cancelled before its response was sent.',
    cure: 'Its caller cancelled it (DELETE /api/requests/:id) or hung up. Check the data before you send it again: a change that was already being committed has taken effect.',
  },
  INTERNAL_ERROR: {
    status: 500,
    level: 'error',
    message: () => 'Something went wrong on our side.',
    cure: 'It is our bug. Report it with the `requestId`, which finds the log line.',
  },
  SERVICE_UNAVAILABLE: {
    status: 503,
    level: 'warn',
    message: () => 'The service cannot answer at the moment.',
    cure: 'Try again after the seconds in Retry-After.',
  },
});
