// REST endpoints of dead letters, for administrators: list, read, replay and discard jobs that failed for good.
import { Controller, Delete, Get, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { JobPermissions } from '../jobs.permissions.js';
import { CurrentUser } from '../../common/decorators/current-user.decorator.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { IfMatch } from '../../common/decorators/if-match.decorator.js';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import { Id, JsonBody, QueryParams } from '../../common/decorators/input.decorator.js';
import { SearchGate } from '../../common/search-gate.js';
import type { Actor } from '../../common/access/permissions.js';
import { DeadLettersService } from './dead-letters.service.js';
import {
  DeadLetterDetailsDto,
  DeadLetterPage,
  ListDeadLettersQuery,
  ReplayDeadLettersDto,
  ReplayedDto,
  SEARCH_FILTERS,
  toDeadLetterDetailsDto,
  toDeadLetterDto,
} from './dto/dead-letter.dto.js';
import { JobDto } from './dto/job.dto.js';
import { answerJob } from './job-answer.js';
import { JobErrors } from '../jobs.errors.js';
import { JobsRepository } from '../engine/jobs.repository.js';

@ApiTags('Jobs')
@Controller('dead-letters')
export class DeadLettersController {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly service: DeadLettersService,
    private readonly searches: SearchGate,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List the jobs that failed for good',
    returns: DeadLetterPage,
    paged: true,
    requires: JobPermissions.read,
    searchBy: SEARCH_FILTERS,
  })
  async list(@CurrentUser() actor: Actor, @QueryParams() query: ListDeadLettersQuery): Promise<DeadLetterPage> {
    const { items, nextCursor } = await this.searches.run(actor, query, SEARCH_FILTERS, () =>
      this.jobs.listDead(query),
    );
    return { items: items.map(toDeadLetterDto), nextCursor };
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get a dead letter, with its payload and what went wrong in every attempt',
    returns: DeadLetterDetailsDto,
    versioned: true,
    requires: JobPermissions.read,
    errors: [JobErrors.NOT_DEAD],
  })
  async get(@Id() id: string): Promise<DeadLetterDetailsDto> {
    return toDeadLetterDetailsDto(await this.service.get(id));
  }

  @Post('replay')
  @Endpoint({
    summary: 'Replay the dead letters that match, the oldest first',
    description:
      'Names a queue, a type or a reason, or several of them. A job whose unique key is taken by one that waits or runs is left out.',
    returns: ReplayedDto,
    status: 202,
    requires: JobPermissions.replay,
    errors: [JobErrors.KEY_TAKEN],
  })
  replayMatching(@JsonBody() body: ReplayDeadLettersDto): Promise<ReplayedDto> {
    return this.service.replayMatching(body);
  }

  @Post(':id/replay')
  @Endpoint({
    summary: 'Replay a dead letter: its attempts begin anew',
    returns: JobDto,
    status: 202,
    versioned: true,
    requires: JobPermissions.replay,
    errors: [JobErrors.NOT_DEAD, JobErrors.KEY_TAKEN],
  })
  async replay(@Id() id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answerJob(reply, await this.service.replay(id));
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Discard a dead letter',
    description: 'No request finds the job any more. `jobs.cleanup` deletes its row after `JOB_RETENTION` days.',
    requires: JobPermissions.discard,
    conditional: true,
    errors: [JobErrors.NOT_DEAD],
  })
  async discard(@Id() id: string, @IfMatch() expected: ExpectedVersions): Promise<void> {
    await this.service.discard(id, expected);
  }
}
