// REST endpoints of tasks.
import { Controller, Delete, Get, Patch, Post, Put, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { DeletedPermissions } from '../common/access/permissions.js';
import { AnswerFromMemory } from '../common/decorators/answer-from-memory.decorator.js';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { IfMatch } from '../common/decorators/if-match.decorator.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import { Id, JsonBody, QueryParams } from '../common/decorators/input.decorator.js';
import { answerRendered } from '../common/http/hooks/representation.hooks.js';
import { SearchGate } from '../common/search-gate.js';
import { HttpErrors } from '../common/http/http.errors.js';
import type { Actor } from '../common/access/permissions.js';
import {
  ChangeTaskDto,
  CreatedTasksDto,
  CreateTaskDto,
  CreateTasksDto,
  ListTasksQuery,
  SEARCH_FILTERS,
  TaskDto,
  TaskPage,
  toTaskDto,
} from './dto/task.dto.js';
import { TaskErrors } from './tasks.errors.js';
import { TasksService } from './tasks.service.js';

@ApiTags('Tasks')
@Controller('tasks')
export class TasksController {
  constructor(
    private readonly tasks: TasksService,
    private readonly searches: SearchGate,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Create a task',
    returns: TaskDto,
    status: 201,
    versioned: true,
    errors: [TaskErrors.QUOTA_EXCEEDED],
  })
  async create(@CurrentUser() actor: Actor, @JsonBody() body: CreateTaskDto): Promise<TaskDto> {
    return toTaskDto(await this.tasks.create(actor, body));
  }

  @Post('bulk')
  @Endpoint({
    summary: 'Create up to 500 tasks, all or none',
    returns: CreatedTasksDto,
    status: 201,
    cost: 40, // with 10, ten users at their limits made others wait 40 times as long
    maxAnswerBytes: 200_000, // 500 tasks × 400 bytes: what the answer adds to the texts of the request
    errors: [TaskErrors.QUOTA_EXCEEDED],
  })
  async createAll(@CurrentUser() actor: Actor, @JsonBody() body: CreateTasksDto): Promise<CreatedTasksDto> {
    return { items: (await this.tasks.createAll(actor, body.tasks)).map(toTaskDto) };
  }

  @Get()
  @Endpoint({
    summary: "List the caller's tasks",
    returns: TaskPage,
    paged: true,
    searchBy: SEARCH_FILTERS,
    errors: [HttpErrors.FORBIDDEN],
  })
  async list(
    @CurrentUser() actor: Actor,
    @QueryParams() query: ListTasksQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return answerRendered(
      reply,
      await this.searches.run(actor, query, SEARCH_FILTERS, () => this.tasks.list(actor, query)),
    );
  }

  @Get(':id')
  @Endpoint({ summary: 'Get a task', returns: TaskDto, versioned: true, errors: [TaskErrors.NOT_FOUND] })
  @AnswerFromMemory<TasksController>(({ tasks }, actor, { id }) => tasks.peek(actor, id as string))
  async get(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return answerRendered(reply, await this.tasks.get(actor, id));
  }

  @Put(':id')
  @Endpoint({
    summary: 'Change a task; the same as PATCH',
    returns: TaskDto,
    versioned: true,
    conditional: true,
    errors: [TaskErrors.NOT_FOUND],
  })
  put(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() body: ChangeTaskDto,
  ): Promise<TaskDto> {
    return this.update(actor, id, expected, body);
  }

  @Patch(':id')
  @Endpoint({
    summary: 'Change a task; what is absent stays',
    returns: TaskDto,
    versioned: true,
    conditional: true,
    errors: [TaskErrors.NOT_FOUND],
  })
  async update(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() body: ChangeTaskDto,
  ): Promise<TaskDto> {
    return toTaskDto(await this.tasks.update(actor, id, body, expected));
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete a task (softly)',
    description: 'It goes for good TASK_RETENTION days later.',
    conditional: true,
    errors: [TaskErrors.NOT_FOUND],
  })
  async delete(@CurrentUser() actor: Actor, @Id() id: string, @IfMatch() expected: ExpectedVersions): Promise<void> {
    await this.tasks.delete(actor, id, expected);
  }

  @Post(':id/restore')
  @Endpoint({
    summary: "Bring anyone's deleted task back",
    returns: TaskDto,
    status: 200,
    versioned: true,
    requires: DeletedPermissions.restore,
    errors: [TaskErrors.NOT_FOUND, TaskErrors.QUOTA_EXCEEDED],
  })
  async restore(@Id() id: string): Promise<TaskDto> {
    return toTaskDto(await this.tasks.restore(id));
  }
}
