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
import { ByteBuffer } from '../../shared/libs/byte-buffer.js';

/** Parts being sent while the next one fills: with it and its copy, about four parts are in memory. */
const MAX_PARALLEL_PARTS = 2;

/**
 * The object is stored and visible once it resolves. When it throws, no part is being sent any more (a part that arrives
 * after the abort would stay). Something may be left all the same: parts, or the whole object if the last response was lost.
 */
export async function upload(
  client: S3Client,
  address: { Bucket: string; Key: string },
  source: Readable,
  partSize: number,
): Promise<void> {
  const parts: Promise<CompletedPart>[] = [];
  let UploadId: string | undefined;
  try {
    for await (const Body of inParts(source, partSize)) {
      if (UploadId === undefined && Body.length < partSize)
        return void (await client.send(new PutObjectCommand({ ...address, Body })));
      UploadId ??= (await client.send(new CreateMultipartUploadCommand(address))).UploadId;
      await parts.at(-MAX_PARALLEL_PARTS);
      const PartNumber = parts.length + 1;
      const send = new UploadPartCommand({ ...address, UploadId, PartNumber, Body });
      const part = client.send(send).then(({ ETag }) => ({ PartNumber, ETag }));
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

/** Yields parts of the same size except the last, as some services require; at least one. */
async function* inParts(source: Readable, partSize: number): AsyncGenerator<Buffer> {
  const pieces = new ByteBuffer();
  let isFirst = true;
  for await (const piece of source as AsyncIterable<Buffer>) {
    pieces.add(piece);
    for (; pieces.length >= partSize; isFirst = false) yield pieces.take(partSize);
  }
  if (isFirst || pieces.length > 0) yield pieces.take(pieces.length);
}
