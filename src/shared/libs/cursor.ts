// Page cursors: the encrypted sort key of the last row, so that clients can neither read nor change it.
import { Sealer } from './sealer.js';

/** The start of the next page: the values of the sort column and of `id`. It never leaves the server unencrypted. */
export type CursorKey = readonly (string | number)[];

export class CursorCipher {
  private readonly sealer: Sealer;

  constructor(secret: string) {
    this.sealer = new Sealer(secret, 'page-cursor');
  }

  /**
   * Returns the cursor in base64url. `scope` names the list and its order; a cursor of one scope does not open in another.
   * The same position always has the same cursor, so that the ETag of a page, which is a hash of it, stays stable.
   */
  seal(scope: string, key: CursorKey): string {
    return this.sealer.sealDeterministically(scope, JSON.stringify(key)).toString('base64url');
  }

  /** Returns null when the cursor was not sealed with this secret and scope, or is not in canonical base64url. */
  open(scope: string, cursor: string): CursorKey | null {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.toString('base64url') !== cursor) return null;
    const text = this.sealer.open(scope, bytes);
    return text === null ? null : (JSON.parse(text) as CursorKey);
  }
}
