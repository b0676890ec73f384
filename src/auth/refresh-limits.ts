// Limits refreshes: by session for requests with a genuine token, by address for all others.
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestLimits } from '../common/http/limits/request-limits.js';
import { callerAt } from '../shared/rate-limits/rate-limiter.js';
import { RefreshTokens } from '../shared/security/refresh-tokens.js';
import { SessionsRepository } from './sessions.repository.js';

@Injectable()
export class RefreshLimits {
  constructor(
    private readonly limits: RequestLimits,
    private readonly tokens: RefreshTokens,
    private readonly sessions: SessionsRepository,
  ) {}

  /** Counts a refresh. By session, 200 users behind one address do not block each other. Throws RATE_LIMITED. */
  async count(request: FastifyRequest, reply: FastifyReply, presented: string): Promise<void> {
    const sessionId = await this.sessionOf(presented);
    if (sessionId === null) await this.limits.countAs(reply, callerAt(request.ip, 'auth:refresh'), 'auth');
    else await this.limits.countAs(reply, `refresh:${sessionId}`, 'standard');
  }

  /** Returns null without a genuine token. Ended sessions count by session, too: many may end at once in one office. */
  private async sessionOf(presented: string): Promise<string | null> {
    const token = this.tokens.read(presented);
    const salt = token && (await this.sessions.findSalt(token.sessionId));
    return token && salt !== null && this.tokens.isGenuine(token, salt) ? token.sessionId : null;
  }
}
