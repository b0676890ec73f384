// REST endpoint of the queue statistics, for administrators.
import { Controller, Get, Header } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { JobPermissions } from '../jobs.permissions.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { QueueDriver } from '../drivers/queue.driver.js';
import { JobStatsDto, toQueueStatsDto } from './dto/job-stats.dto.js';
import { JobRegistry } from '../engine/job-registry.js';
import { JobStatsRepository } from '../engine/job-stats.repository.js';

/** Fastify prefers `/jobs/stats` to `/jobs/:id`, whatever the order of declaration. */
@ApiTags('Jobs')
@Controller('jobs')
export class JobStatsController {
  constructor(
    private readonly stats: JobStatsRepository,
    private readonly registry: JobRegistry,
    private readonly driver: QueueDriver,
  ) {}

  @Get('stats')
  @Header('Cache-Control', 'no-store')
  @Endpoint({
    summary: 'How every queue does: depth, waits, rates, retries, dead letters',
    description: 'The workers report their rates every five seconds.',
    returns: JobStatsDto,
    requires: JobPermissions.read,
  })
  async get(): Promise<JobStatsDto> {
    const places = new Map(this.registry.queues.map(({ name, concurrency }) => [name, concurrency]));
    const queues = await this.stats.list([...places.keys()]);
    return {
      driver: this.driver.announces ? 'rabbitmq' : 'postgres',
      broker: this.driver.broker,
      queues: queues.map((one) => toQueueStatsDto(one, places.get(one.queue) ?? null)),
    };
  }
}
