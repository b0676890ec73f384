// Decides who may open a WebSocket: pages of allowed origins, with the access token or ticket of a living session.
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { JwtStrategy } from '../../auth/jwt.strategy.js';
import { type Principal, Principals } from '../../auth/principals.js';
import { HttpSettings } from '../../common/http/http.settings.js';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import { RealtimeErrors } from '../realtime.errors.js';
import { TicketsService } from '../tickets/tickets.service.js';

/** The subprotocol with which a client sends its token: `Sec-WebSocket-Protocol: bearer, <token>`. */
export const BEARER_PROTOCOL = 'bearer';
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

@Injectable()
export class Admission {
  constructor(
    private readonly principals: Principals,
    private readonly strategy: JwtStrategy,
    private readonly tickets: TicketsService,
    private readonly http: HttpSettings,
  ) {}

  /**
   * Browsers state the origin of the page, other clients do not. A page needs a token in any case; the check prevents that a page
   * uses one that it should not have. Throws ORIGIN_REFUSED.
   */
  checkOrigin({ headers: { origin }, host }: FastifyRequest): void {
    if (origin === undefined || this.http.corsOrigins.includes(origin)) return;
    const page = URL.canParse(origin) ? new URL(origin) : undefined;
    if (!page || (page.host !== host.toLowerCase() && !areLocal(page, host))) throw RealtimeErrors.ORIGIN_REFUSED();
  }

  /** Returns null without a valid token or ticket, and when the session has ended. */
  async findUser(request: FastifyRequest): Promise<{ claims: AccessClaims; principal: Principal } | null> {
    const claims = await this.findClaims(request);
    const principal = claims && (await this.principals.find(claims));
    return principal ? { claims, principal } : null;
  }

  private async findClaims(request: FastifyRequest): Promise<AccessClaims | null> {
    if (request.claims !== undefined) return request.claims; // the Authorization header
    const { token, ticket } = request.query as Record<string, unknown>;
    if (typeof ticket === 'string') return this.tickets.redeem(ticket);
    const given = protocolToken(request) ?? token;
    if (typeof given !== 'string') return null;
    const known = this.principals.findClaims(given);
    return known === undefined ? this.strategy.verify(bearing(request, given)) : known;
  }
}

function protocolToken({ headers }: FastifyRequest): string | undefined {
  const [name, token] = (headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
  return name === BEARER_PROTOCOL ? token : undefined;
}

/** The request as if it had the token in its Authorization header. */
function bearing(request: FastifyRequest, token: string): FastifyRequest {
  const headers = { ...request.headers, authorization: `Bearer ${token}` };
  return Object.create(request, { headers: { value: headers } }) as FastifyRequest;
}

/** A page of a development server on this machine, which has another port than we. */
function areLocal(page: URL, host: string): boolean {
  return LOOPBACK.test(page.hostname) && LOOPBACK.test(host.toLowerCase().replace(/:\d+$/, ''));
}
