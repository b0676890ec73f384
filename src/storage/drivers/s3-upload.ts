// An upload to S3 of bytes whose number nobody knows: by one request where one part holds them, else part by part.
// Not by @aws-sdk/lib-storage: that takes a `size` which a stream happens to have for the file's, and when it tidies up
// after an error that of the tidying is all one hears of.
import type { Readable } from 'node:stream';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Pieces } from '../../shared/libs/pieces.js';

/** Parts, while the next one fills: with it and its copy about four are in memory. */
const UNDER_WAY = 2;

/**
 * Stored, and to be seen, once it resolves. When it throws no part is under way any more (one that arrived after its upload
 * was aborted would stay), but something may be left: parts, even all of it, when it was the last answer that got lost.
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
      await parts.at(-UNDER_WAY);
      const PartNumber = parts.length + 1;
      const send = new UploadPartCommand({ ...address, UploadId, PartNumber, Body });
      const part = client.send(send).then(({ ETag }) => ({ PartNumber, ETag }));
      part.catch((error: Error) => source.destroy(error)); // we may be waiting for a source that says nothing
      parts.push(part);
    }
    const MultipartUpload = { Parts: await Promise.all(parts) };
    await client.send(new CompleteMultipartUploadCommand({ ...address, UploadId, MultipartUpload }));
  } catch (error) {
    await Promise.allSettled(parts);
    throw error;
  }
}

/** All of one size but the last, as some services want it; at least one. */
async function* inParts(source: Readable, partSize: number): AsyncGenerator<Buffer> {
  const pieces = new Pieces();
  let isFirst = true;
  for await (const piece of source as AsyncIterable<Buffer>) {
    pieces.add(piece);
    for (; pieces.length >= partSize; isFirst = false) yield pieces.take(partSize);
  }
  if (isFirst || pieces.length > 0) yield pieces.take(pieces.length);
}
