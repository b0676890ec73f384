// REST endpoints to register, log in, refresh, log out, change the password and manage sessions.
import { isIP } from 'node:net';
import { Controller, Delete, Get, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiCookieAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { Id, JsonBody, QueryParams } from '../common/decorators/input.decorator.js';
import type { Actor } from '../common/access/permissions.js';
import { UserErrors } from '../users/users.errors.js';
import { AuthErrors } from './auth.errors.js';
import { AuthService, type Device, type Login } from './auth.service.js';
import { DeviceCookie } from './device-cookie.js';
import {
  ChangePasswordDto,
  ListSessionsQuery,
  LoginDto,
  RefreshDto,
  RegisterDto,
  SessionPage,
  TokensDto,
  toSessionDto,
} from './dto/auth.dto.js';
import { RefreshCookie } from './refresh-cookie.js';
import { RefreshLimits } from './refresh-limits.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('Auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly sessions: SessionsService,
    private readonly cookie: RefreshCookie,
    private readonly devices: DeviceCookie,
    private readonly refreshes: RefreshLimits,
  ) {}

  @Post('register')
  @Endpoint({
    summary: 'Open an account and log in',
    returns: TokensDto,
    status: 201,
    public: true,
    limit: 'register',
    errors: [UserErrors.EMAIL_TAKEN, UserErrors.PASSWORD_TOO_LONG],
  })
  async register(
    @JsonBody() body: RegisterDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    return this.withCookies(reply, await this.auth.register(body, this.deviceOf(request)));
  }

  @Post('login')
  @Endpoint({
    summary: 'Log in',
    returns: TokensDto,
    public: true,
    limit: 'login',
    errors: [AuthErrors.INVALID_CREDENTIALS, AuthErrors.ACCOUNT_SLOWED],
  })
  async login(
    @JsonBody() body: LoginDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    return this.withCookies(reply, await this.auth.login(body, this.deviceOf(request)));
  }

  @Post('refresh')
  @ApiCookieAuth()
  @ApiBody({ type: RefreshDto, required: false })
  @Endpoint({
    summary: 'Trade the refresh token for a new pair',
    description: 'Within 10 s the previous token gets the same successor; an older one ends the session.',
    returns: TokensDto,
    public: true,
    errors: [AuthErrors.REFRESH_INVALID, AuthErrors.REFRESH_REUSED, AuthErrors.CROSS_SITE],
  })
  async refresh(
    @JsonBody() body: RefreshDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    const presented = body.refreshToken ?? this.cookie.read(request);
    await this.refreshes.count(request, reply, presented);
    return this.withCookie(reply, await this.sessions.refresh(presented));
  }

  @Post('logout')
  @Endpoint({ summary: 'End this session; its access token stops working at once' })
  async logout(@CurrentUser() actor: Actor, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    await this.sessions.logout(actor);
    this.cookie.clear(reply);
  }

  @Post('logout-all')
  @Endpoint({ summary: 'End all sessions of the caller' })
  async logoutAll(@CurrentUser() actor: Actor, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    await this.sessions.logoutAll(actor);
    this.cookie.clear(reply);
  }

  @Post('password')
  @Endpoint({
    summary: 'Change the password; ends the other sessions',
    limit: 'password',
    errors: [AuthErrors.INVALID_CREDENTIALS, AuthErrors.ACCOUNT_SLOWED, UserErrors.PASSWORD_TOO_LONG],
  })
  async changePassword(
    @CurrentUser() actor: Actor,
    @JsonBody() body: ChangePasswordDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    this.devices.set(reply, await this.auth.changePassword(actor, body, this.deviceOf(request)));
  }

  @Get('sessions')
  @Endpoint({
    summary: "List the caller's devices: this one first, then the newest",
    returns: SessionPage,
    paged: true,
  })
  async listSessions(@CurrentUser() actor: Actor, @QueryParams() query: ListSessionsQuery): Promise<SessionPage> {
    const { items, nextCursor } = await this.sessions.list(actor, query);
    return { items: items.map((session) => toSessionDto(session, actor.sessionId)), nextCursor };
  }

  @Delete('sessions/:id')
  @Endpoint({ summary: 'Log one device out', errors: [AuthErrors.SESSION_NOT_FOUND] })
  revokeSession(@CurrentUser() actor: Actor, @Id() id: string): Promise<void> {
    return this.sessions.revoke(actor, id);
  }

  private withCookies(reply: FastifyReply, { tokens, device }: Login): TokensDto {
    this.withCookie(reply, tokens);
    this.devices.set(reply, device);
    return tokens;
  }

  private withCookie(reply: FastifyReply, tokens: TokensDto): TokensDto {
    this.cookie.set(reply, tokens.refreshToken);
    void reply.header('cache-control', 'no-store');
    return tokens;
  }

  /** Behind a proxy, the address comes from its X-Forwarded-For. */
  private deviceOf(request: FastifyRequest): Device {
    const ip = request.ip.split('%', 1)[0] as string; // without the zone of a link-local address, which inet rejects
    const userAgent = request.headers['user-agent'] ?? '';
    return { ip: isIP(ip) === 0 ? null : ip, userAgent, known: this.devices.read(request) };
  }
}
