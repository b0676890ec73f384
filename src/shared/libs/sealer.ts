// Seals texts that are kept or carried where others can read and write: encrypted, and good for one use alone.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM (NIST SP 800-38D) with a key derived from a secret (HKDF, RFC 5869), another one for each purpose. */
export class Sealer {
  private readonly key: KeyObject;
  private readonly nonceKey: KeyObject;

  constructor(secret: string, purpose: string) {
    const derive = (info: string): KeyObject => createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', info, 32)));
    this.key = derive(purpose);
    this.nonceKey = derive(`${purpose}-nonce`);
  }

  /** `scope` names what the text belongs to: sealed for one, it opens for no other. Starts with a nonce of its own. */
  seal(scope: string, text: string): Buffer {
    return this.sealWith(randomBytes(NONCE_BYTES), scope, text);
  }

  /**
   * The same text of the same scope becomes the same bytes; that two are equal is all that they show. The nonce is a MAC
   * of both under a key of its own, so that different texts share one as rarely as random ones do (2⁻⁹⁶).
   */
  sealDeterministically(scope: string, text: string): Buffer {
    const both = JSON.stringify([scope, text]); // no two pairs are written alike
    const mac = createHmac('sha256', this.nonceKey).update(both).digest();
    return this.sealWith(mac.subarray(0, NONCE_BYTES), scope, text);
  }

  private sealWith(nonce: Buffer, scope: string, text: string): Buffer {
    const cipher = createCipheriv(ALGORITHM, this.key, nonce).setAAD(Buffer.from(scope));
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  }

  /** Null when it was not sealed with this secret, purpose and scope, or was changed since. */
  open(scope: string, sealed: Buffer): string | null {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv(ALGORITHM, this.key, sealed.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(scope))
      .setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      const text = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
      decipher.final(); // throws unless every byte is as it was sealed; GCM's last block is empty
      return text.toString();
    } catch {
      return null;
    }
  }
}
