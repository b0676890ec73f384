// File storage in a bucket of an S3-compatible service: an object becomes visible with the last byte of its upload.
import { addAbortSignal, type Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { S3Config } from '../storage.settings.js';
import {
  type ByteRange,
  expectKey,
  FileStorage,
  keyIn,
  type LinkOptions,
  NoSuchBytes,
  type StoredObject,
} from '../file-storage.js';
import { PART_LIMITS, PartMemory } from './part-memory.js';
import { createS3Client, TIMEOUTS, S3Error } from './s3-client.js';
import { S3Listing } from './s3-listing.js';
import { upload } from './s3-upload.js';

/** Limits of S3: the minimum bytes of a part that is not the last, and the maximum number of parts. */
const MIN_PART = 5 * 2 ** 20;
const MAX_PARTS = 10_000;
/** The memory holds at least so many parts, also when FILE_MAX_SIZE makes them huge. */
const MIN_PARTS = 4;
/** The growth through encryption, rounded up. */
const OVERHEAD = 1.001;

export class S3Storage extends FileStorage implements OnApplicationShutdown {
  readonly kind = 's3';
  private readonly client: S3Client;
  private readonly listing: S3Listing;
  private readonly partSize: number;
  private readonly memory: PartMemory;
  /** Prefix of all object names. */
  private readonly prefix: string;
  /** Options for requests without a body. */
  private readonly quick: { requestTimeout: number };

  /** `maxBytes`: the size of the largest file. */
  constructor(
    private readonly config: S3Config,
    maxBytes: number,
    timeouts = TIMEOUTS,
    limits = PART_LIMITS,
  ) {
    super();
    this.client = createS3Client(config, timeouts);
    this.partSize = Math.max(MIN_PART, Math.ceil((maxBytes * OVERHEAD) / MAX_PARTS));
    this.memory = new PartMemory({ ...limits, maxBytes: Math.max(limits.maxBytes, MIN_PARTS * this.partSize) });
    this.prefix = `${config.prefix}/files/`;
    this.quick = { requestTimeout: timeouts.answer };
    this.listing = new S3Listing(this.client, config.bucket, this.quick);
  }

  onApplicationShutdown(): void {
    this.client.destroy();
  }

  async expectWorking(): Promise<void> {
    await this.client.send(new HeadBucketCommand({ Bucket: this.config.bucket }), this.quick);
  }

  async write(key: string, source: Readable, signal?: AbortSignal): Promise<void> {
    try {
      const address = this.addressOf(key);
      if (signal) addAbortSignal(signal, source);
      await this.memory.run(source, (memory) => upload(this.client, address, source, this.partSize, memory));
    } catch (error) {
      source.destroy();
      await this.remove(key).catch(() => undefined); // the end of the lease removes the rest
      throw error;
    }
  }

  async open(key: string, range?: ByteRange): Promise<Readable> {
    const Range = range && `bytes=${range.start}-${range.end}`;
    const get = new GetObjectCommand({ ...this.addressOf(key), Range });
    const { Body, ContentLength } = await this.client.send(get, this.quick).catch((error: unknown) => {
      throw isAbsent(error) ? new NoSuchBytes(key, { cause: error }) : error;
    });
    const body = Body as Readable;
    if (!range || ContentLength === range.end - range.start + 1) return body;
    body.destroy();
    throw new Error(`S3 has ${ContentLength} bytes of ${key} where ${Range} was asked for.`);
  }

  async sizeOf(key: string): Promise<number | null> {
    try {
      const { ContentLength } = await this.client.send(new HeadObjectCommand(this.addressOf(key)), this.quick);
      return ContentLength ?? null;
    } catch (error) {
      if (!isAbsent(error)) throw error;
      await this.expectWorking(); // otherwise a missing bucket would make all files look lost
      return null;
    }
  }

  /** Aborts incomplete uploads first, because they could still become the object. */
  async remove(key: string): Promise<void> {
    const address = this.addressOf(key);
    for await (const { uploadId } of this.listing.unfinished(address.Key)) {
      const abort = new AbortMultipartUploadCommand({ ...address, UploadId: uploadId });
      await this.client.send(abort, this.quick).catch(unlessAbsent);
    }
    await this.deleteObject(key);
  }

  /** Yields incomplete uploads first: one that completes in the meantime then comes twice instead of never. */
  async *list(): AsyncIterable<StoredObject> {
    for (const listed of [this.listing.unfinished(this.prefix), this.listing.objects(this.prefix)])
      for await (const { name, size, modifiedAt } of listed) {
        const key = keyIn(name.slice(this.prefix.length));
        if (key !== null) yield { key, size, modifiedAt };
      }
  }

  async linkTo(key: string, { contentType, disposition, expiresInSeconds }: LinkOptions): Promise<string> {
    const answer = { ResponseContentType: contentType, ResponseContentDisposition: disposition };
    const get = new GetObjectCommand({ ...this.addressOf(key), ...answer });
    return getSignedUrl(this.client, get, { expiresIn: expiresInSeconds });
  }

  private addressOf(key: string): { Bucket: string; Key: string } {
    expectKey(key);
    return { Bucket: this.config.bucket, Key: this.prefix + key };
  }

  private async deleteObject(key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand(this.addressOf(key)), this.quick).catch(unlessAbsent);
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof S3Error && ['NoSuchKey', 'NotFound', 'NoSuchUpload'].includes(error.name);
}

function unlessAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error;
}
