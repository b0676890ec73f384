// DTOs of the queue statistics, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import type { QueueStats } from '../../engine/job-stats.repository.js';

export class QueueRatesDto {
  @ApiProperty({ example: 12.4, description: 'Jobs that succeeded' })
  succeeded!: number;

  @ApiProperty({
    example: 0.2,
    description: 'Attempts that failed, or whose worker died, and after which another attempt follows',
  })
  retried!: number;

  @ApiProperty({ example: 0, description: 'Jobs that failed for good' })
  dead!: number;
}

export class QueueStatsDto {
  @ApiProperty({ example: 'reports' })
  queue!: string;

  @ApiProperty({ type: 'integer', description: 'Due, and not begun: the depth of the queue' })
  waiting!: number;

  @ApiProperty({ type: 'integer', description: 'Not due yet: for later, or waiting for the next attempt' })
  delayed!: number;

  @ApiProperty({ type: 'integer' })
  running!: number;

  @ApiProperty({ type: 'integer', description: 'Dead letters' })
  dead!: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'How long ago the oldest waiting job became due, its lost attempts included; null: no job is due',
  })
  oldestWaitMs!: number | null;

  @ApiProperty({
    type: 'integer',
    description:
      'Number of processes in which a job of this queue is running now. One that died counts until its jobs are taken back',
  })
  workers!: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description:
      'Number of jobs of this queue that one process runs at once; null: this version has no job for this queue',
  })
  concurrency!: number | null;

  @ApiProperty({ type: QueueRatesDto, description: 'On average over the last five full minutes' })
  perMinute!: QueueRatesDto;

  @ApiProperty({ type: QueueRatesDto, description: 'In the last 60 full minutes and the one that runs' })
  lastHour!: QueueRatesDto;
}

export class BrokerDto {
  @ApiProperty()
  isUp!: boolean;

  @ApiProperty({ type: String, nullable: true, description: 'Why the broker is down; null: it is up' })
  reason!: string | null;
}

export class JobStatsDto {
  @ApiProperty({
    enum: ['postgres', 'rabbitmq'],
    enumName: 'QueueDriverName',
    example: 'postgres',
    description: 'The driver that announces due jobs',
  })
  driver!: 'postgres' | 'rabbitmq';

  @ApiProperty({ type: BrokerDto, nullable: true, description: 'As this process sees it; null: there is none' })
  broker!: BrokerDto | null;

  @ApiProperty({ type: [QueueStatsDto], description: 'By name, empty ones too' })
  queues!: QueueStatsDto[];
}

export function toQueueStatsDto(stats: QueueStats, concurrency: number | null): QueueStatsDto {
  return {
    queue: stats.queue,
    waiting: stats.waiting,
    delayed: stats.delayed,
    running: stats.running,
    dead: stats.dead,
    oldestWaitMs: stats.oldest_wait_ms,
    workers: stats.workers,
    concurrency,
    perMinute: stats.per_minute,
    lastHour: stats.last_hour,
  };
}
