// REST endpoints of jobs: request, read, list and cancel.
import { Controller, Delete, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentUser } from '../../common/decorators/current-user.decorator.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { IfMatch } from '../../common/decorators/if-match.decorator.js';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import { Id, JsonBody, QueryParams } from '../../common/decorators/input.decorator.js';
import { SearchGate } from '../../common/search-gate.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import type { Actor } from '../../common/access/permissions.js';
import { CreateJobDto, JobDto, JobPage, ListJobsQuery, SEARCH_FILTERS, toJobDto } from './dto/job.dto.js';
import { JobErrors } from '../jobs.errors.js';
import { JobCanceller } from './job-canceller.js';
import { JobsService } from './jobs.service.js';

@ApiTags('Jobs')
@Controller('jobs')
export class JobsController {
  constructor(
    private readonly jobs: JobsService,
    private readonly canceller: JobCanceller,
    private readonly searches: SearchGate,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Ask for a background job',
    description: `\`report.pdf\` {}: the caller's tasks as a PDF. \`file.thumbnail\` {"fileId"}: small pictures of an image of the caller's. \`users.statistics\` {}, \`users.export\` {}, \`users.import\` {"fileId"}: for administrators.
Follow \`Location\` until \`status\` is SUCCEEDED; \`result\` then states the outcome, like the \`fileId\` to download.`,
    returns: JobDto,
    status: 202,
    versioned: true,
    errors: [JobErrors.TYPE_UNKNOWN, HttpErrors.FORBIDDEN, JobErrors.UNFINISHED, JobErrors.QUOTA_EXCEEDED],
  })
  async create(@CurrentUser() actor: Actor, @JsonBody() body: CreateJobDto): Promise<JobDto> {
    return toJobDto(await this.jobs.request(actor, body));
  }

  @Get()
  @Endpoint({
    summary: "List the caller's jobs",
    returns: JobPage,
    paged: true,
    searchBy: SEARCH_FILTERS,
    errors: [HttpErrors.FORBIDDEN],
  })
  async list(@CurrentUser() actor: Actor, @QueryParams() query: ListJobsQuery): Promise<JobPage> {
    const { items, nextCursor } = await this.searches.run(actor, query, SEARCH_FILTERS, () =>
      this.jobs.list(actor, query),
    );
    return { items: items.map(toJobDto), nextCursor };
  }

  @Get(':id')
  @Endpoint({ summary: 'Get a job', returns: JobDto, versioned: true, errors: [JobErrors.NOT_FOUND] })
  async get(@CurrentUser() actor: Actor, @Id() id: string): Promise<JobDto> {
    return toJobDto(await this.jobs.get(actor, id));
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Cancel a job, a running one too',
    conditional: true,
    errors: [JobErrors.NOT_FOUND, JobErrors.FINISHED],
  })
  async cancel(@CurrentUser() actor: Actor, @Id() id: string, @IfMatch() expected: ExpectedVersions): Promise<void> {
    await this.canceller.cancel(actor, id, expected);
  }
}
