// Encrypts texts that are stored or sent where others can read and change them, and binds each to one purpose.
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

/** AES-256-GCM (NIST SP 800-38D). The key is derived from a secret (HKDF, RFC 5869), a different one for each purpose. */
export class Sealer {
  private readonly key: KeyObject;
  private readonly nonceKey: KeyObject;

  constructor(secret: string, purpose: string) {
    const derive = (info: string): KeyObject => createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', info, 32)));
    this.key = derive(purpose);
    this.nonceKey = derive(`${purpose}-nonce`);
  }

  /** Encrypts `text`. `scope` names its owner: it opens in that scope only. The result starts with its random nonce. */
  seal(scope: string, text: string): Buffer {
    return this.sealWith(randomBytes(NONCE_BYTES), scope, text);
  }

  /**
   * Returns the same bytes for the same text and scope; they reveal only that two texts are equal. The nonce is a MAC of both
   * under a separate key, so that two different texts share a nonce as rarely as random nonces collide (2⁻⁹⁶).
   */
  sealDeterministically(scope: string, text: string): Buffer {
    const both = JSON.stringify([scope, text]); // JSON: each pair has a unique spelling
    const mac = createHmac('sha256', this.nonceKey).update(both).digest();
    return this.sealWith(mac.subarray(0, NONCE_BYTES), scope, text);
  }

  private sealWith(nonce: Buffer, scope: string, text: string): Buffer {
    const cipher = createCipheriv(ALGORITHM, this.key, nonce).setAAD(Buffer.from(scope));
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  }

  /** Returns null when the bytes were not sealed with this secret, purpose and scope, or were changed since. */
  open(scope: string, sealed: Buffer): string | null {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv(ALGORITHM, this.key, sealed.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(scope))
      .setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      const text = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
      decipher.final(); // throws if any byte was changed; GCM's last block is empty
      return text.toString();
    } catch {
      return null;
    }
  }
}
