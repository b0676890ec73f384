// Uploads a stream of unknown length to S3: with one request if one part holds it, else as a multipart upload.
// It does not use @aws-sdk/lib-storage, which treats a `size` property of a stream as the file's size, and which reports only
// the error of its cleanup when that fails after another error.
import type { Readable } from 'node:stream';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { UploadMemory } from './upload-memory.js';

/** Parts being sent while the next one fills, so that three parts are in memory. */
const MAX_PARALLEL_PARTS = 2;
/** Memory at the beginning of a file. It doubles until it is a part: small files, and slow ones at first, take little. */
const FIRST_BYTES = 65_536;
const NO_BYTES = Buffer.alloc(0);

/**
 * The object is stored and visible once it resolves. When it throws, no part is being sent any more (a part that arrives
 * after the abort would stay). Something may be left all the same: parts, or the whole object if the last response was lost.
 */
export async function upload(
  client: S3Client,
  address: { Bucket: string; Key: string },
  source: Readable,
  partSize: number,
  memory: UploadMemory,
): Promise<void> {
  const parts: Promise<CompletedPart>[] = [];
  let UploadId: string | undefined;
  try {
    for await (const Body of inParts(source, partSize, memory)) {
      const free = memory.fill();
      if (UploadId === undefined && Body.length < partSize)
        return void (await client.send(new PutObjectCommand({ ...address, Body })));
      UploadId ??= (await client.send(new CreateMultipartUploadCommand(address))).UploadId;
      await parts.at(-MAX_PARALLEL_PARTS);
      const PartNumber = parts.length + 1;
      const send = new UploadPartCommand({ ...address, UploadId, PartNumber, Body });
      const part = client
        .send(send)
        .then(({ ETag }) => ({ PartNumber, ETag }))
        .finally(free);
      part.catch((error: Error) => source.destroy(error)); // we may be waiting for a source that sends nothing
      parts.push(part);
    }
    const MultipartUpload = { Parts: await Promise.all(parts) };
    await client.send(new CompleteMultipartUploadCommand({ ...address, UploadId, MultipartUpload }));
  } catch (error) {
    await Promise.allSettled(parts);
    throw error;
  }
}

/**
 * Yields parts of the same size except the last, as some services require; at least one. It copies the bytes: a chunk, however
 * small, may keep much more memory than its bytes.
 */
async function* inParts(source: Readable, partSize: number, memory: UploadMemory): AsyncGenerator<Buffer> {
  let part: Buffer = NO_BYTES;
  let length = 0;
  let isFirst = true;
  for await (const chunk of source as AsyncIterable<Buffer>)
    for (let rest = chunk; rest.length > 0;) {
      if (length === part.length) part = await grown(part, isFirst ? sizeAfter(length, partSize) : partSize, memory);
      const copied = rest.copy(part, length);
      length += copied;
      rest = rest.subarray(copied);
      if (length < partSize) continue;
      yield part;
      part = NO_BYTES;
      length = 0;
      isFirst = false;
    }
  if (isFirst || length > 0) yield part.subarray(0, length);
}

async function grown(part: Buffer, size: number, memory: UploadMemory): Promise<Buffer> {
  await memory.growTo(size);
  const next = Buffer.allocUnsafeSlow(size); // not from the pool of Buffer, which small buffers share
  part.copy(next);
  return next;
}

function sizeAfter(size: number, partSize: number): number {
  const doubled = Math.max(FIRST_BYTES, size * 2);
  return doubled > partSize / 2 ? partSize : doubled;
}
