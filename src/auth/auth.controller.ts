// Register, log in, refresh, log out.
import { isIP } from 'node:net';
import { Controller, Delete, Get, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiCookieAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { Id, JsonBody } from '../common/decorators/input.decorator.js';
import type { Actor } from '../common/permissions.js';
import { UserErrors } from '../users/users.errors.js';
import { AuthErrors } from './auth.errors.js';
import { AuthService, type Device } from './auth.service.js';
import {
  ChangePasswordDto,
  LoginDto,
  RefreshDto,
  RegisterDto,
  SessionsDto,
  TokensDto,
  toSessionDto,
} from './dto/auth.dto.js';
import { RefreshCookie } from './refresh-cookie.js';

@ApiTags('Auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly cookie: RefreshCookie,
  ) {}

  @Post('register')
  @Endpoint({
    summary: 'Open an account and log in',
    returns: TokensDto,
    status: 201,
    public: true,
    errors: [UserErrors.EMAIL_TAKEN, UserErrors.PASSWORD_TOO_LONG],
  })
  async register(
    @JsonBody() body: RegisterDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    return this.withCookie(reply, await this.auth.register(body, deviceOf(request)));
  }

  @Post('login')
  @Endpoint({
    summary: 'Log in',
    returns: TokensDto,
    public: true,
    errors: [AuthErrors.INVALID_CREDENTIALS],
  })
  async login(
    @JsonBody() body: LoginDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokensDto> {
    return this.withCookie(reply, await this.auth.login(body, deviceOf(request)));
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
    return this.withCookie(reply, await this.auth.refresh(body.refreshToken ?? this.cookie.read(request)));
  }

  @Post('logout')
  @Endpoint({ summary: 'End this session; its access token stops working at once' })
  async logout(@CurrentUser() actor: Actor, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    await this.auth.logout(actor);
    this.cookie.clear(reply);
  }

  @Post('logout-all')
  @Endpoint({ summary: 'End all sessions of the caller' })
  async logoutAll(@CurrentUser() actor: Actor, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    await this.auth.logoutAll(actor);
    this.cookie.clear(reply);
  }

  @Post('password')
  @Endpoint({
    summary: 'Change the password; ends the other sessions',
    errors: [AuthErrors.INVALID_CREDENTIALS, UserErrors.PASSWORD_TOO_LONG],
  })
  changePassword(@CurrentUser() actor: Actor, @JsonBody() body: ChangePasswordDto): Promise<void> {
    return this.auth.changePassword(actor, body);
  }

  @Get('sessions')
  @Endpoint({ summary: "List the caller's devices", returns: SessionsDto })
  async sessions(@CurrentUser() actor: Actor): Promise<SessionsDto> {
    return { items: (await this.auth.listSessions(actor)).map((session) => toSessionDto(session, actor.sessionId)) };
  }

  @Delete('sessions/:id')
  @Endpoint({ summary: 'Log one device out', errors: [AuthErrors.SESSION_NOT_FOUND] })
  revoke(@CurrentUser() actor: Actor, @Id() id: string): Promise<void> {
    return this.auth.revoke(actor, id);
  }

  private withCookie(reply: FastifyReply, tokens: TokensDto): TokensDto {
    this.cookie.set(reply, tokens.refreshToken);
    void reply.header('cache-control', 'no-store');
    return tokens;
  }
}

/** Behind a proxy the address is whatever its X-Forwarded-For says. */
function deviceOf(request: FastifyRequest): Device {
  const ip = request.ip.split('%', 1)[0] as string; // without the zone of a link-local address, which inet does not take
  return { ip: isIP(ip) === 0 ? null : ip, userAgent: request.headers['user-agent'] ?? '' };
}
