// Password hashes: argon2id (RFC 9106) by default, bcrypt verified and, when configured, made.
import { Injectable } from '@nestjs/common';
import { Algorithm, hash as argon2Hash, verify as argon2Verify } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import { AppConfig } from '../config/app-config.js';
import { Semaphore } from '../libs/semaphore.js';
import { normalize } from '../libs/text.js';

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const ARGON2 = { algorithm: Algorithm.Argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const ARGON2_PREFIX = '$argon2id$v=19$m=19456,t=2,p=1$';
/** A stored hash that asks for more than 64 MiB or 10 passes was not made by us, and would cost us more than a login may. */
const ARGON2_MOST = { m: 65_536, t: 10, p: 4 };
const BCRYPT_ROUNDS = 12;
const BCRYPT_PREFIX = `$2b$${BCRYPT_ROUNDS}$`;
const BCRYPT_MOST_ROUNDS = 14;
/** bcrypt reads 72 bytes and silently ignores the rest. */
export const BCRYPT_MOST_BYTES = 72;

@Injectable()
export class PasswordHasher {
  /** Each run costs 19 MiB and a core for ~20 ms: two at once, 32 waiting, the rest is told to come back. */
  private readonly turns = new Semaphore(2, 32, 2_000);
  private readonly scheme: AppConfig['auth']['passwordHash'];
  private readonly nobody: Promise<string>;

  constructor(config: AppConfig) {
    this.scheme = config.auth.passwordHash;
    this.nobody = this.make('no account has this password');
  }

  /** True when the password is one that a hash can hold whole. */
  fits(password: string): boolean {
    return this.scheme === 'argon2id' || Buffer.byteLength(normalize(password)) <= BCRYPT_MOST_BYTES;
  }

  /** Of the password in normal form C: keyboards differ in how they write `é`. Throws SemaphoreFullError when too many wait. */
  hash(password: string): Promise<string> {
    return this.turns.run(() => this.make(normalize(password)));
  }

  /**
   * Hashes that were made before passwords were normalized hold what was typed, so that is tried too. A null hash (no such
   * account, or one without a password) costs the same time and is never right. Throws SemaphoreFullError.
   */
  async verify(hash: string | null, password: string): Promise<boolean> {
    const normal = normalize(password);
    return (await this.holds(hash, normal)) || (normal !== password && (await this.holds(hash, password)));
  }

  /**
   * A new hash of a password that was verified, null when the stored one is as good: of the same scheme and costs, and of
   * the normal form. Throws SemaphoreFullError.
   */
  async improve(hash: string, password: string): Promise<string | null> {
    if (!this.fits(password)) return null;
    const normal = normalize(password);
    const isGood = !this.isOutdated(hash) && (normal === password || (await this.holds(hash, normal)));
    return isGood ? null : this.hash(password);
  }

  /** True when the hash was made with another scheme or other costs than new ones are. */
  isOutdated(hash: string): boolean {
    return !hash.startsWith(this.scheme === 'argon2id' ? ARGON2_PREFIX : BCRYPT_PREFIX);
  }

  private async holds(hash: string | null, password: string): Promise<boolean> {
    const stored = hash !== null && isBearable(hash) ? hash : null;
    const against = stored ?? (await this.nobody);
    const matches = await this.turns.run(() => this.check(against, password));
    return matches && stored !== null;
  }

  private make(password: string): Promise<string> {
    return this.scheme === 'argon2id' ? argon2Hash(password, ARGON2) : bcrypt.hash(password, BCRYPT_ROUNDS);
  }

  private async check(hash: string, password: string): Promise<boolean> {
    if (!hash.startsWith('$2')) return argon2Verify(hash, password).catch(() => false); // damaged: nobody's password
    const known = hash.replace(/^\$2y\$/, '$2b$'); // PHP's name for the same
    return (await bcrypt.compare(password, known)) && Buffer.byteLength(password) <= BCRYPT_MOST_BYTES;
  }
}

/** Whether we made it or could have: a known scheme within the bounds above. */
function isBearable(hash: string): boolean {
  const argon2 = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(hash);
  if (argon2)
    return (
      Number(argon2[1]) <= ARGON2_MOST.m && Number(argon2[2]) <= ARGON2_MOST.t && Number(argon2[3]) <= ARGON2_MOST.p
    );
  const rounds = /^\$2[aby]\$(\d\d)\$/.exec(hash);
  return rounds !== null && Number(rounds[1]) <= BCRYPT_MOST_ROUNDS;
}
