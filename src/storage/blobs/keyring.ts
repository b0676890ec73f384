// The encryption keys of files: the first one is for new files, the others are for files that were encrypted with them.
import { hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { StorageSettings } from '../storage.settings.js';

@Injectable()
export class Keyring {
  /** Id of the key for new files; null: new files are not encrypted. */
  readonly current: string | null;
  private readonly keys: ReadonlyMap<string, Buffer>;

  constructor({ encryptionKeys }: StorageSettings) {
    this.keys = new Map(encryptionKeys.map(({ id, key }) => [id, Buffer.from(key, 'base64')]));
    this.current = encryptionKeys[0]?.id ?? null;
  }

  /** Returns a hexadecimal fingerprint for each key id. It identifies the key and reveals nothing else about it. */
  fingerprints(): ReadonlyMap<string, string> {
    const of = (key: Buffer): string =>
      Buffer.from(hkdfSync('sha256', key, '', 'holdfast fingerprint', 32)).toString('hex');
    return new Map([...this.keys].map(([id, key]) => [id, of(key)]));
  }

  /** Derives a separate key for one file (HKDF, RFC 5869), which need not be stored. Throws when the id is unknown. */
  keyOf(keyId: string, storageKey: string): Buffer {
    const key = this.keys.get(keyId);
    if (!key)
      throw new Error(`FILE_ENCRYPTION_KEYS lacks the key ${keyId}, with which files are encrypted. Restore it.`);
    return Buffer.from(hkdfSync('sha256', key, storageKey, 'holdfast file', 32));
  }
}
