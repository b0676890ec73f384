// Password hashes: argon2id (RFC 9106) by default; bcrypt is verified and, if configured, also created.
import { Injectable } from '@nestjs/common';
import { Algorithm, hash as argon2Hash, verify as argon2Verify } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import { SecuritySettings } from './security.settings.js';
import { Semaphore } from '../libs/semaphore.js';
import { normalize } from '../libs/text.js';
import { lineGroup } from '../logging/request-context.js';

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const ARGON2 = { algorithm: Algorithm.Argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const ARGON2_PREFIX = '$argon2id$v=19$m=19456,t=2,p=1$';
/** A stored hash that needs more than 64 MiB or 10 passes is not ours, and would cost more than a login may. */
const ARGON2_MAX = { m: 65_536, t: 10, p: 4 };
const BCRYPT_ROUNDS = 12;
const BCRYPT_PREFIX = `$2b$${BCRYPT_ROUNDS}$`;
const BCRYPT_MAX_ROUNDS = 14;
/** bcrypt reads 72 bytes and silently ignores the rest. */
export const BCRYPT_MAX_BYTES = 72;

@Injectable()
export class PasswordHasher {
  /**
   * Each run takes 19 MiB and a core for ~20 ms: two run at once, 32 wait, further ones are refused. Strangers may fill the
   * line with logins, so networks take turns in it.
   */
  private readonly turns = new Semaphore(2, 32, 2_000);
  private readonly scheme: SecuritySettings['passwordHash'];
  private readonly dummyHash: Promise<string>;

  constructor(settings: SecuritySettings) {
    this.scheme = settings.passwordHash;
    this.dummyHash = this.make('no account has this password');
  }

  /** True when the hash covers the whole password. */
  fits(password: string): boolean {
    return this.scheme === 'argon2id' || Buffer.byteLength(normalize(password)) <= BCRYPT_MAX_BYTES;
  }

  /** Hashes the password in NFC, because keyboards encode `é` differently. Throws SemaphoreFullError when too many wait. */
  hash(password: string): Promise<string> {
    return this.inTurn(() => this.make(normalize(password)));
  }

  /**
   * True when the password matches. Hashes older than the normalization contain the password as typed, so that form is tried
   * too. A null hash (no such account, or no password) takes the same time and never matches. Throws SemaphoreFullError.
   */
  async verify(hash: string | null, password: string): Promise<boolean> {
    const normal = normalize(password);
    return (await this.checkHash(hash, normal)) || (normal !== password && (await this.checkHash(hash, password)));
  }

  /**
   * Returns a new hash of a verified password, or null when the stored hash is current: the same scheme and costs, and made
   * from the normal form. Throws SemaphoreFullError.
   */
  async improve(hash: string, password: string): Promise<string | null> {
    if (!this.fits(password)) return null;
    const normal = normalize(password);
    const isGood = !this.isOutdated(hash) && (normal === password || (await this.checkHash(hash, normal)));
    return isGood ? null : this.hash(password);
  }

  /** True when the scheme or the costs of the hash differ from those of new hashes. */
  isOutdated(hash: string): boolean {
    return !hash.startsWith(this.scheme === 'argon2id' ? ARGON2_PREFIX : BCRYPT_PREFIX);
  }

  private async checkHash(hash: string | null, password: string): Promise<boolean> {
    const stored = hash !== null && isAffordable(hash) ? hash : null;
    const hashToCheck = stored ?? (await this.dummyHash);
    const matches = await this.inTurn(() => this.check(hashToCheck, password));
    return matches && stored !== null;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.turns.run(work, lineGroup());
  }

  private make(password: string): Promise<string> {
    return this.scheme === 'argon2id' ? argon2Hash(password, ARGON2) : bcrypt.hash(password, BCRYPT_ROUNDS);
  }

  private async check(hash: string, password: string): Promise<boolean> {
    if (!hash.startsWith('$2')) return argon2Verify(hash, password).catch(() => false); // a damaged hash matches no password
    const known = hash.replace(/^\$2y\$/, '$2b$'); // PHP's name for the same scheme
    return (await bcrypt.compare(password, known)) && Buffer.byteLength(password) <= BCRYPT_MAX_BYTES;
  }
}

/** True when we may have created the hash: a known scheme within the limits above. */
function isAffordable(hash: string): boolean {
  const argon2 = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(hash);
  if (argon2)
    return Number(argon2[1]) <= ARGON2_MAX.m && Number(argon2[2]) <= ARGON2_MAX.t && Number(argon2[3]) <= ARGON2_MAX.p;
  const rounds = /^\$2[aby]\$(\d\d)\$/.exec(hash);
  return rounds !== null && Number(rounds[1]) <= BCRYPT_MAX_ROUNDS;
}
