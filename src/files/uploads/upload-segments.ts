// Bytes of incomplete uploads: segments in the storage, encrypted like files, each written in one go.
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { AppError } from '../../shared/libs/app-error.js';
import { Transaction } from '../../shared/database/transaction.js';
import { BlobStore, isDamage } from '../../storage/blobs/blob-store.js';
import type { Rules } from '../../storage/blobs/inspector.js';
import { UNKNOWN_TYPE } from '../../storage/media-types/media-type.js';
import { StorageLeases } from '../../storage/blobs/storage-leases.js';
import { ArrivingBytes } from './arriving-bytes.js';
import { UploadErrors } from './uploads.errors.js';
import { type Segment, type Upload, UploadsRepository } from './uploads.repository.js';

/** Maximum size of a segment, bytes: a process that dies loses at most this much unacknowledged data. One request to S3. */
const MAX_SEGMENT = 4 * 1_048_576;
/**
 * A segment smaller than this (bytes) is merged into the next one, so that a client that sends single bytes does not create
 * objects of one byte. Each such byte may be rewritten with every part that follows it; that bounds the cost of a part of
 * one byte.
 */
const MIN_SEGMENT = 65_536;

const RULES: Rules = {
  maxBytes: MAX_SEGMENT,
  tooLarge: () => new Error('A segment is too large.'),
  declaredType: UNKNOWN_TYPE,
};

/** Checks of the first bytes of an upload. */
export type FirstBytesRules = Pick<Rules, 'declaredType' | 'name' | 'expectType'>;

@Injectable()
export class UploadSegments {
  constructor(
    private readonly bytes: BlobStore,
    private readonly leases: StorageLeases,
    private readonly uploads: UploadsRepository,
    private readonly transaction: Transaction,
  ) {}

  /**
   * Appends the bytes from `offset` on, and returns the new number of received bytes. When the source is interrupted, keeps
   * the received bytes and then throws its error. Throws OFFSET_CONFLICT when another request has appended bytes meanwhile,
   * DAMAGED, and what `first` refuses of a segment at the beginning of the upload.
   */
  async append({ id }: Upload, offset: number, source: Readable, first?: FirstBytesRules): Promise<number> {
    const arriving = new ArrivingBytes(source);
    let received = offset;
    let last = await this.uploads.findLastSegment(id);
    while (await arriving.hasMore()) {
      last = await this.add(id, received, arriving, last, first);
      received = last.start + last.size;
    }
    if (arriving.failure) throw arriving.failure;
    return received;
  }

  /** Streams all segments in order. */
  open({ id }: Upload): Readable {
    return Readable.from(this.read(id), { objectMode: false });
  }

  private async *read(id: string): AsyncGenerator<Buffer> {
    for (const segment of await this.uploads.listSegments(id)) yield* this.bytesOf(segment);
  }

  /** Yields all acknowledged bytes. Throws DAMAGED, or OFFSET_CONFLICT when another request has replaced the segment. */
  private async *bytesOf(segment: Segment): AsyncGenerator<Buffer> {
    let missing = segment.size;
    try {
      for await (const chunk of (await this.bytes.open(segment)) as AsyncIterable<Buffer>) {
        missing -= chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw isDamage(error) ? await this.damageOf(segment) : error;
    }
    if (missing !== 0) throw await this.damageOf(segment);
  }

  private async damageOf({ storageKey }: Segment): Promise<AppError> {
    return (await this.uploads.hasSegment(storageKey)) ? UploadErrors.DAMAGED() : UploadErrors.OFFSET_CONFLICT();
  }

  private async add(
    id: string,
    received: number,
    arriving: ArrivingBytes,
    last: Segment | null,
    first?: FirstBytesRules,
  ): Promise<Segment> {
    const small = last !== null && last.size < MIN_SEGMENT ? last : null;
    const rules = received === 0 || small?.start === 0 ? { ...RULES, ...first } : RULES;
    const { storageKey, signal } = await this.leases.beginUncharged();
    try {
      const source = Readable.from(this.join(small, arriving), { objectMode: false });
      const { size, keyId } = await this.bytes.write(storageKey, source, rules, signal);
      const segment = { start: small?.start ?? received, size, storageKey, keyId };
      await this.transaction.run(async () => {
        await this.leases.claim(storageKey);
        if (!(await this.uploads.append(id, received, segment))) throw UploadErrors.OFFSET_CONFLICT();
        if (small) await this.leases.deleteAfterCommit([small.storageKey]);
      });
      return segment;
    } finally {
      await this.leases.discard(storageKey);
    }
  }

  private async *join(small: Segment | null, arriving: ArrivingBytes): AsyncGenerator<Buffer> {
    if (small) yield* this.bytesOf(small);
    yield* arriving.take(MAX_SEGMENT - (small?.size ?? 0));
  }
}
