// One-time tickets for WebSockets of browsers, whose only way to send a token is the address, which logs of proxies contain.
import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import type { TicketDto } from '../dto/ticket.dto.js';
import { TicketsRepository } from './tickets.repository.js';

const TTL_SECONDS = 30;
const TICKET = /^[\w-]{43}$/;

@Injectable()
export class TicketsService {
  constructor(private readonly tickets: TicketsRepository) {}

  /** Returns a ticket that stands for this access token, once, in any process. */
  async issue(claims: AccessClaims): Promise<TicketDto> {
    const ticket = randomBytes(32).toString('base64url');
    return { ticket, expiresAt: await this.tickets.insert(hashOf(ticket), claims, TTL_SECONDS) };
  }

  /** Uses a ticket up. Returns the claims of its access token; null for a ticket that is unknown, used or too old. */
  async redeem(ticket: string): Promise<AccessClaims | null> {
    return TICKET.test(ticket) ? this.tickets.take(hashOf(ticket)) : null;
  }
}

/** A reader of the table cannot use its tickets. */
function hashOf(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest();
}
