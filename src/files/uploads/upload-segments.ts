// The bytes of uploads that are not complete: segments in the storage, encrypted as files are, each written at once.
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

/** Bytes: what a process that dies may lose, of those that it has not acknowledged. S3 takes them by one request. */
const MOST = 4 * 1_048_576;
/**
 * A smaller segment is taken up into the next one: who sends byte by byte makes no objects of a byte. Each byte may so be
 * written once more for every part that follows it, which is what a part of one byte costs us at most.
 */
const LEAST = 65_536;

const RULES: Rules = {
  maxBytes: MOST,
  tooLarge: () => new Error('A segment is too large.'),
  declaredType: UNKNOWN_TYPE,
};

/** What is looked at in the first bytes of an upload. */
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
   * Adds what comes from `offset` on, and gives how much there is then. When the source breaks off, what has come is
   * kept, and then its failure thrown. Throws OFFSET_CONFLICT when somebody else has added something meanwhile, DAMAGED, and
   * what `first` refuses of a segment that begins the upload.
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

  /** All of them, one after the other. */
  open({ id }: Upload): Readable {
    return Readable.from(this.read(id), { objectMode: false });
  }

  private async *read(id: string): AsyncGenerator<Buffer> {
    for (const segment of await this.uploads.listSegments(id)) yield* this.bytesOf(segment);
  }

  /** All that were acknowledged, or DAMAGED; OFFSET_CONFLICT when somebody else has them in another place by now. */
  private async *bytesOf(segment: Segment): AsyncGenerator<Buffer> {
    let missing = segment.size;
    try {
      for await (const piece of (await this.bytes.open(segment)) as AsyncIterable<Buffer>) {
        missing -= piece.length;
        yield piece;
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
    const small = last !== null && last.size < LEAST ? last : null;
    const rules = received === 0 || small?.start === 0 ? { ...RULES, ...first } : RULES;
    const { storageKey, signal } = await this.leases.beginUncharged();
    try {
      const source = Readable.from(this.join(small, arriving), { objectMode: false });
      const { size, keyId } = await this.bytes.write(storageKey, source, rules, signal);
      const segment = { start: small?.start ?? received, size, storageKey, keyId };
      await this.transaction.run(async () => {
        await this.leases.claim(storageKey);
        if (!(await this.uploads.append(id, received, segment))) throw UploadErrors.OFFSET_CONFLICT();
        if (small) await this.leases.mark([small.storageKey], 'DELETE');
      });
      this.leases.forget(storageKey);
      if (small) this.leases.endSoon([small.storageKey]);
      return segment;
    } catch (error) {
      await this.leases.giveUp(storageKey, error);
      throw error;
    }
  }

  private async *join(small: Segment | null, arriving: ArrivingBytes): AsyncGenerator<Buffer> {
    if (small) yield* this.bytesOf(small);
    yield* arriving.take(MOST - (small?.size ?? 0));
  }
}
