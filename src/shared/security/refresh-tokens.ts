// Refresh tokens, `rt.<session>.<generation>.<mac>`: they can be recomputed, so that a lost response can be repeated.
import { Injectable } from '@nestjs/common';
import { SecuritySettings } from './security.settings.js';
import { isMacOf, macOf } from '../libs/signed-text.js';

/** Exactly one spelling of each generation, so that two texts never mean the same token. */
const FORMAT = /^rt\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([1-9]\d{0,8})\.([\w-]{43})$/;

/** Not verified yet: that needs the session's salt. */
export interface PresentedRefreshToken {
  sessionId: string;
  generation: number;
  mac: string;
}

@Injectable()
export class RefreshTokens {
  private readonly secret: string;

  constructor(settings: SecuritySettings) {
    this.secret = settings.sessionSecret;
  }

  /** `salt` belongs to the session: neither the secret nor the database alone is enough to make a token. */
  make(sessionId: string, generation: number, salt: string): string {
    return `rt.${sessionId}.${generation}.${macOf(this.secret, 'refresh', `${sessionId}.${generation}.${salt}`)}`;
  }

  /** Returns null when the text does not have the form of a refresh token. */
  read(text: string): PresentedRefreshToken | null {
    const [, sessionId, generation, mac] = FORMAT.exec(text) ?? [];
    return sessionId && generation && mac ? { sessionId, generation: Number(generation), mac } : null;
  }

  isGenuine(token: PresentedRefreshToken, salt: string): boolean {
    return isMacOf(this.secret, 'refresh', `${token.sessionId}.${token.generation}.${salt}`, token.mac);
  }
}
