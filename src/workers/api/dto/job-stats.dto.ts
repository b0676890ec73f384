// DTOs of the queue statistics, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import type { QueueStats } from '../../engine/job-stats.repository.js';

export class QueueRatesDto {
  @ApiProperty({ example: 12.4, description: 'Jobs that were done' })
  succeeded!: number;

  @ApiProperty({ example: 0.2, description: 'Attempts that failed and are tried again' })
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

  @ApiProperty({ type: 'integer', nullable: true, description: 'How long the oldest due job waits; null: none does' })
  oldestWaitMs!: number | null;

  @ApiProperty({ type: 'integer', description: 'Processes that run some of them at the moment' })
  workers!: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'How many one process runs at once; null: no job of this version is for this queue',
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

  @ApiProperty({ type: String, nullable: true, description: 'Why it is not' })
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
