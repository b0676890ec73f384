// REST endpoints of accounts, for administrators; a user may read its own.
import { Controller, Delete, Get, Patch, Post, Put, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { DeletedPermissions } from '../common/access/permissions.js';
import { UserPermissions } from './users.policy.js';
import { AnswerFromMemory } from '../common/decorators/answer-from-memory.decorator.js';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { IfMatch } from '../common/decorators/if-match.decorator.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import { Id, JsonBody, QueryParams } from '../common/decorators/input.decorator.js';
import { answerRendered } from '../common/http/hooks/representation.hooks.js';
import { SearchGate } from '../common/search-gate.js';
import type { Actor } from '../common/access/permissions.js';
import {
  ChangeUserDto,
  CreateUserDto,
  ListUsersQuery,
  SEARCH_FILTERS,
  toUserDto,
  UserDto,
  UserPage,
} from './dto/user.dto.js';
import { UserErrors } from './users.errors.js';
import { UsersService } from './users.service.js';

const TAKEN = [UserErrors.EMAIL_TAKEN, UserErrors.USERNAME_TAKEN];
const CREATE_REFUSES = [UserErrors.NAMELESS, UserErrors.PASSWORD_TOO_LONG, ...TAKEN];
const CHANGE_REFUSES = [
  UserErrors.NOT_FOUND,
  UserErrors.LAST_ADMIN,
  UserErrors.NAMELESS,
  UserErrors.PASSWORD_TOO_LONG,
  ...TAKEN,
];

@ApiTags('Users')
@Controller('users')
export class UsersController {
  constructor(
    private readonly service: UsersService,
    private readonly searches: SearchGate,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List users',
    returns: UserPage,
    paged: true,
    requires: UserPermissions.read,
    searchBy: SEARCH_FILTERS,
  })
  async list(@CurrentUser() actor: Actor, @QueryParams() query: ListUsersQuery): Promise<UserPage> {
    const { items, nextCursor } = await this.searches.run(actor, query, SEARCH_FILTERS, () => this.service.list(query));
    return { items: items.map(toUserDto), nextCursor };
  }

  @Post()
  @Endpoint({
    summary: 'Create a user',
    returns: UserDto,
    status: 201,
    versioned: true,
    requires: UserPermissions.write,
    errors: CREATE_REFUSES,
  })
  async create(@JsonBody() body: CreateUserDto): Promise<UserDto> {
    return toUserDto(await this.service.create(body));
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get a user: anyone for administrators, oneself for everybody',
    returns: UserDto,
    versioned: true,
    errors: [UserErrors.NOT_FOUND],
  })
  @AnswerFromMemory<UsersController>(({ service }, actor, { id }) => service.peek(actor, id as string))
  async get(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return answerRendered(reply, await this.service.get(actor, id));
  }

  @Put(':id')
  @Endpoint({
    summary: 'Change a user; the same as PATCH',
    returns: UserDto,
    versioned: true,
    conditional: true,
    requires: UserPermissions.write,
    errors: CHANGE_REFUSES,
  })
  put(@Id() id: string, @IfMatch() expected: ExpectedVersions, @JsonBody() body: ChangeUserDto): Promise<UserDto> {
    return this.update(id, expected, body);
  }

  @Patch(':id')
  @Endpoint({
    summary: 'Change a user; what is absent stays',
    description: 'A new password or role ends the sessions of the user.',
    returns: UserDto,
    versioned: true,
    conditional: true,
    requires: UserPermissions.write,
    errors: CHANGE_REFUSES,
  })
  async update(
    @Id() id: string,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() body: ChangeUserDto,
  ): Promise<UserDto> {
    return toUserDto(await this.service.change(id, expected, body));
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete a user (softly) and end its sessions',
    conditional: true,
    requires: UserPermissions.write,
    errors: [UserErrors.NOT_FOUND, UserErrors.LAST_ADMIN],
  })
  delete(@Id() id: string, @IfMatch() expected: ExpectedVersions): Promise<void> {
    return this.service.delete(id, expected);
  }

  @Post(':id/restore')
  @Endpoint({
    summary: 'Bring a deleted user back',
    returns: UserDto,
    status: 200,
    versioned: true,
    requires: DeletedPermissions.restore,
    errors: [UserErrors.NOT_FOUND, ...TAKEN],
  })
  async restore(@Id() id: string): Promise<UserDto> {
    return toUserDto(await this.service.restore(id));
  }
}
