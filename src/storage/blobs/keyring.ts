// The keys that files are encrypted with: the first one for new files, each for those that were encrypted with it.
import { hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';

@Injectable()
export class Keyring {
  /** Id of the key for new files; null: they are stored in clear. */
  readonly current: string | null;
  private readonly keys: ReadonlyMap<string, Buffer>;

  constructor({ files }: AppConfig) {
    this.keys = new Map(files.encryptionKeys.map(({ id, key }) => [id, Buffer.from(key, 'base64')]));
    this.current = files.encryptionKeys[0]?.id ?? null;
  }

  /** By id, what tells a key from another one without telling anything else of it; hexadecimal. */
  fingerprints(): ReadonlyMap<string, string> {
    const of = (key: Buffer): string =>
      Buffer.from(hkdfSync('sha256', key, '', 'holdfast fingerprint', 32)).toString('hex');
    return new Map([...this.keys].map(([id, key]) => [id, of(key)]));
  }

  /** A key for one file alone (HKDF, RFC 5869), of which nothing needs to be kept. Throws when the id is not known. */
  keyOf(keyId: string, storageKey: string): Buffer {
    const key = this.keys.get(keyId);
    if (!key) throw new Error(`FILE_ENCRYPTION_KEYS has no key ${keyId}, which files are encrypted with. Put it back.`);
    return Buffer.from(hkdfSync('sha256', key, storageKey, 'holdfast file', 32));
  }
}
