// Page cursors: the sort key of the last row, encrypted, so that nobody can read or bend it.
import { Sealer } from './sealer.js';

/** Where the next page starts: the values of the sort column and of `id`, which never leaves the server in clear. */
export type CursorKey = readonly (string | number)[];

export class CursorCipher {
  private readonly sealer: Sealer;

  constructor(secret: string) {
    this.sealer = new Sealer(secret, 'page-cursor');
  }

  /**
   * `scope` names the list and its order: a cursor of one is worthless for another. Returns base64url. The same place has
   * the same cursor, or the ETag of a page, a hash of it, would never be the same.
   */
  seal(scope: string, key: CursorKey): string {
    return this.sealer.sealDeterministically(scope, JSON.stringify(key)).toString('base64url');
  }

  /** Null when the cursor was not sealed with this secret and scope, or is spelled in another way. */
  open(scope: string, cursor: string): CursorKey | null {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.toString('base64url') !== cursor) return null;
    const text = this.sealer.open(scope, bytes);
    return text === null ? null : (JSON.parse(text) as CursorKey);
  }
}
