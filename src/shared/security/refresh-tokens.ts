// Refresh tokens: `rt.<session>.<generation>.<mac>`, recomputable, so that a lost answer can be given again.
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { isMacOf, macOf } from '../libs/signed-text.js';

/** One spelling of each generation, so that no token has a twin. */
const FORMAT = /^rt\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([1-9]\d{0,8})\.([\w-]{43})$/;

/** Not yet checked: the session's salt is needed for that. */
export interface PresentedRefreshToken {
  sessionId: string;
  generation: number;
  mac: string;
}

@Injectable()
export class RefreshTokens {
  private readonly secret: string;

  constructor(config: AppConfig) {
    this.secret = config.auth.sessionSecret;
  }

  /** `salt` is the session's own: neither the secret nor the database alone can make a token. */
  make(sessionId: string, generation: number, salt: string): string {
    return `rt.${sessionId}.${generation}.${macOf(this.secret, 'refresh', `${sessionId}.${generation}.${salt}`)}`;
  }

  /** Null when the text has not the form of a refresh token. */
  read(text: string): PresentedRefreshToken | null {
    const [, sessionId, generation, mac] = FORMAT.exec(text) ?? [];
    return sessionId && generation && mac ? { sessionId, generation: Number(generation), mac } : null;
  }

  isGenuine(token: PresentedRefreshToken, salt: string): boolean {
    return isMacOf(this.secret, 'refresh', `${token.sessionId}.${token.generation}.${salt}`, token.mac);
  }
}
