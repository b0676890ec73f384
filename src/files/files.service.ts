// Files: first the bytes, then the row. So a row never stands without its bytes, whatever fails in between.
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../shared/config/app-config.js';
import { type Outcome, Transaction } from '../shared/services/database/transaction.js';
import type { FileEntity, FileOwner } from './file.entity.js';
import { cleanFileName, plainMediaType } from './file-name.js';
import { FilesRepository } from './files.repository.js';
import { FileStorage } from './storage/file-storage.js';

/** Bytes in the storage that have no row yet: `add` gives them one, else `discard` must remove them. */
export interface StoredBlob {
  readonly storageKey: string;
  readonly name: string;
  readonly mimeType: string;
  readonly size: number;
  readonly sha256: string;
}

export interface StoreOptions {
  /** As given: whatever it is, it is made harmless. */
  name: string | undefined;
  mimeType: string;
  /** Default: FILE_MAX_SIZE. */
  maxBytes?: number;
  signal?: AbortSignal | undefined;
}

@Injectable()
export class FilesService {
  constructor(
    private readonly files: FilesRepository,
    private readonly storage: FileStorage,
    private readonly transaction: Transaction,
    private readonly config: AppConfig,
  ) {}

  /** How many bytes a file may have. */
  get maxBytes(): number {
    return this.config.files.maxBytes;
  }

  /** Before any transaction, which would stand open as long as the bytes take. Throws TOO_LARGE; leaves nothing then. */
  async store(source: Readable, options: StoreOptions): Promise<StoredBlob> {
    const { name, mimeType, maxBytes = this.maxBytes, signal } = options;
    const storageKey = randomUUID(); // at random, unlike v7, so that it spreads over the folders
    const { size, sha256 } = await this.storage.write(storageKey, source, { maxBytes, signal });
    return { storageKey, name: cleanFileName(name), mimeType: plainMediaType(mimeType), size, sha256 };
  }

  /** The row, in the caller's transaction: the file appears with what else that one does, or not at all. */
  add(owner: FileOwner, blob: StoredBlob): Promise<FileEntity> {
    return this.files.create(owner, blob);
  }

  /** `add` alone, in a transaction of its own. */
  keep(owner: FileOwner, blob: StoredBlob): Promise<FileEntity> {
    return this.keepWith(owner, blob, (add) => this.transaction.run(add));
  }

  /** `work` adds the row in a transaction of its making; the bytes go unless that was committed, or may have been. */
  async keepWith<T>(
    owner: FileOwner,
    blob: StoredBlob,
    work: (add: () => Promise<FileEntity>) => Promise<T>,
  ): Promise<T> {
    let outcome: Outcome = 'rolled back';
    const noteOutcome = { prepare: () => Promise.resolve(), finish: (end: Outcome) => void (outcome = end) };
    const add = (): Promise<FileEntity> => {
      this.transaction.participant(noteOutcome, () => noteOutcome);
      return this.add(owner, blob);
    };
    try {
      return await work(add);
    } catch (error) {
      if (outcome === 'rolled back') await this.discard(blob);
      throw error;
    }
  }

  /** Of a blob that got no row. */
  discard(blob: StoredBlob): Promise<void> {
    return this.storage.remove(blob.storageKey);
  }

  /** Whoever opens it reads the stream to its end or destroys it. Throws NOT_FOUND, also for someone else's. */
  async open(owner: FileOwner, uuid: string): Promise<{ file: FileEntity; stream: Readable }> {
    const file = await this.files.getOwned(owner, uuid);
    return { file, stream: await this.storage.open(file.storageKey) };
  }
}
