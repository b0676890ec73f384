// REST endpoints of the caller's own profile.
import { Controller, Get, Patch, Put, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AnswerFromMemory } from '../common/decorators/answer-from-memory.decorator.js';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { IfMatch } from '../common/decorators/if-match.decorator.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import { JsonBody } from '../common/decorators/input.decorator.js';
import { answerRendered } from '../common/http/hooks/representation.hooks.js';
import type { Actor } from '../common/access/permissions.js';
import { ChangeProfileDto, toUserDto, UserDto } from '../users/dto/user.dto.js';
import { UserErrors } from '../users/users.errors.js';
import { UsersService } from '../users/users.service.js';
import type { Principal } from './principals.js';

const REFUSES = [UserErrors.USERNAME_TAKEN, UserErrors.NAMELESS];

/** A change of an account stays in the audit log for a year. */
const COST = 20;

@ApiTags('Profile')
@Controller('profile')
export class ProfileController {
  constructor(private readonly users: UsersService) {}

  @Get()
  @Endpoint({ summary: 'Get the caller', returns: UserDto, versioned: true })
  @AnswerFromMemory<ProfileController>((_controller, caller) => (caller as Principal).profile)
  get(@CurrentUser() caller: Principal, @Res({ passthrough: true }) reply: FastifyReply): string {
    return answerRendered(reply, caller.profile); // cached with the session
  }

  @Put()
  @Endpoint({
    summary: 'Change the caller; the same as PATCH',
    returns: UserDto,
    versioned: true,
    conditional: true,
    cost: COST,
    errors: REFUSES,
  })
  put(
    @CurrentUser() actor: Actor,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() body: ChangeProfileDto,
  ): Promise<UserDto> {
    return this.update(actor, expected, body);
  }

  @Patch()
  @Endpoint({
    summary: 'Change the caller; what is absent stays',
    returns: UserDto,
    versioned: true,
    conditional: true,
    cost: COST,
    errors: REFUSES,
  })
  async update(
    @CurrentUser() actor: Actor,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() body: ChangeProfileDto,
  ): Promise<UserDto> {
    return toUserDto(await this.users.changeProfile(actor, expected, body));
  }
}
