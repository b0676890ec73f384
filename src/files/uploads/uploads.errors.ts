// Error definitions of resumable uploads.
import { defineErrors } from '../../shared/libs/app-error.js';

export const UploadErrors = defineErrors('UPLOAD', {
  LENGTH_REQUIRED: {
    status: 400,
    level: 'debug',
    message: () => 'Upload-Length must state how many bytes there will be.',
    cure: 'Send `Upload-Length`. An upload whose length becomes known later (`Upload-Defer-Length`) is not taken.',
  },
  EXTENSION_UNSUPPORTED: {
    status: 400,
    level: 'debug',
    message: (header: string) => `${header} belongs to an extension of tus that is not supported.`,
    cure: 'OPTIONS /api/uploads returns the extensions in `Tus-Extension`. Clients do parallel uploads by one that is not among them: switch those off.',
  },
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No upload ${id}.`,
    cure: "Check the id, or begin anew with POST /api/uploads. Someone else's upload is not found either.",
  },
  OFFSET_CONFLICT: {
    status: 409,
    level: 'debug',
    message: () => 'The upload does not continue at this Upload-Offset.',
    cure: 'HEAD the upload: its `Upload-Offset` states where it continues.',
  },
  FINISHED: {
    status: 409,
    level: 'debug',
    message: (fileId: string) => `The upload is complete: it is the file ${fileId}.`,
    cure: 'Delete the file instead (DELETE /api/files/:id).',
  },
  EXPIRED: {
    status: 410,
    level: 'info',
    message: (id: string) => `The upload ${id} has expired.`,
    cure: 'Begin anew with POST /api/uploads. `Upload-Expires` states when an upload expires; the operator sets it with UPLOAD_EXPIRY.',
  },
  DAMAGED: {
    status: 410,
    level: 'warn',
    message: () => 'Bytes of the upload that had come before are lost or damaged.',
    cure: 'DELETE the upload, and begin anew with POST /api/uploads. It stays until it expires, should the bytes come back.',
  },
  VERSION_UNSUPPORTED: {
    status: 412,
    level: 'debug',
    message: () => 'Tus-Resumable must be 1.0.0.',
    cure: 'Send `Tus-Resumable: 1.0.0`, or use a client for tus 1.0.0 (https://tus.io).',
  },
  TOO_LONG: {
    status: 413,
    level: 'debug',
    message: () => 'There are more bytes than Upload-Length states.',
    cure: 'HEAD the upload: `Upload-Length` less `Upload-Offset` is what may still come.',
  },
  LOCKED: {
    status: 423,
    level: 'info',
    message: () => 'Another request is at work on this upload.',
    cure: 'Try again after the seconds in Retry-After: it was asked to come to an end.',
  },
});
