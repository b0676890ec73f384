// REST endpoints of schedules, for administrators: list them, and run one now.
import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { SchedulePermissions } from '../jobs.permissions.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { JobDto } from './dto/job.dto.js';
import { SchedulePage, toScheduleDto } from './dto/schedule.dto.js';
import { answerJob } from './job-answer.js';
import { ScheduleErrors } from './schedules.errors.js';
import { SchedulesRepository } from '../engine/schedules.repository.js';
import { SchedulesService } from './schedules.service.js';

@ApiTags('Jobs')
@Controller('schedules')
export class SchedulesController {
  constructor(
    private readonly schedules: SchedulesRepository,
    private readonly service: SchedulesService,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List the jobs that run by the clock',
    description: 'All on one page. Empty until a process that runs jobs has started.',
    returns: SchedulePage,
    paged: true,
    requires: SchedulePermissions.read,
  })
  async list(): Promise<SchedulePage> {
    return { items: (await this.schedules.list()).map(toScheduleDto), nextCursor: null };
  }

  @Post(':name/run')
  @ApiParam({ name: 'name', schema: { type: 'string', example: 'jobs.cleanup' } })
  @Endpoint({
    summary: 'Run a scheduled job now; it runs by the clock all the same',
    returns: JobDto,
    status: 202,
    versioned: true,
    requires: SchedulePermissions.run,
    errors: [ScheduleErrors.NOT_FOUND],
  })
  async run(@Param('name') name: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answerJob(reply, await this.service.run(name));
  }
}
