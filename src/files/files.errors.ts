// Error definitions of files.
import { defineErrors } from '../shared/libs/app-error.js';

export const FileErrors = defineErrors('FILE', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No file ${id}.`,
    cure: "Check the id. A deleted file, and someone else's, is not found either.",
  },
  PURGED: {
    status: 410,
    level: 'info',
    message: (id: string) => `The bytes of file ${id} are not kept any more.`,
    cure: 'They are removed FILE_RETENTION days after the file was deleted. Upload it again.',
  },
  DAMAGED: {
    status: 410,
    level: 'warn',
    message: (id: string) => `The bytes of file ${id} are lost or damaged.`,
    cure: 'Upload the same content again, under any name: that mends every file with it. Operators find the cause in the log.',
  },
  TOO_LARGE: {
    status: 413,
    level: 'info',
    message: (maxBytes: number) => `The file is larger than ${maxBytes} bytes.`,
    cure: 'Send a smaller file, compressed or in parts; the operator sets the limit with FILE_MAX_SIZE, an administrator that of a bucket.',
  },
  NO_ENCRYPTION_KEY: {
    status: 409,
    level: 'info',
    message: () => 'There is no key to encrypt files with.',
    cure: 'Set FILE_ENCRYPTION_KEYS and start anew.',
  },
  STORAGE_FOREIGN: {
    status: 409,
    level: 'warn',
    message: (lost: number, all: number) => `The storage lacks the bytes of ${lost} of ${all} blobs.`,
    cure: 'It is probably another one than before: check that the volume of DATA_DIR is mounted, or S3_BUCKET and S3_PREFIX. If they are really lost, ask again with `{"acceptLoss": true}`.',
  },
  NO_THUMBNAIL: {
    status: 404,
    level: 'debug',
    message: (id: string) => `File ${id} has no thumbnail.`,
    cure: 'Only images have one, and not those that were refused: the job of type `file.thumbnail` of such a file states why.',
  },
  THUMBNAIL_PENDING: {
    status: 404,
    level: 'debug',
    message: (id: string) => `The thumbnail of file ${id} is not made yet.`,
    cure: 'A job is going to make it: ask again after the seconds in Retry-After.',
  },
  IMAGE_TOO_LARGE: {
    status: 413,
    level: 'info',
    message: (maxPixels: number, maxBytes: number) =>
      `The image has more than ${maxPixels} pixels, or than an image of its format may have, its file more than ${maxBytes} bytes, or more than 100 scans.`,
    cure: 'Upload a smaller image. The operator sets the limit of pixels with THUMBNAIL_MAX_PIXELS; progressive JPEG, interlaced PNG and TIFF may have half as many, WebP and GIF 5/8, AVIF a quarter.',
  },
  IMAGE_UNREADABLE: {
    status: 422,
    level: 'info',
    message: () => 'The file is no image that can be read with reasonable memory and time.',
    cure: 'JPEG, PNG, WebP, GIF, AVIF and TIFF are read. Save the image again, whole, with another program.',
  },
  TYPE_NOT_ALLOWED: {
    status: 415,
    level: 'info',
    message: (mediaType: string, bucket: string) => `Bucket ${bucket} takes no ${mediaType}.`,
    cure: 'What counts is what the bytes are, not what the upload declares. GET /api/buckets returns what a bucket accepts.',
  },
  RANGE_NOT_SATISFIABLE: {
    status: 416,
    level: 'debug',
    message: (size: number) => `No part that was asked for lies within the ${size} bytes of the file.`,
    cure: 'The field `Content-Range` of this answer, and `size` of the file, state how many bytes there are.',
  },
});
