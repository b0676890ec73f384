// DTOs of schedules, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import { PageOf } from '../../../common/dto/page.dto.js';
import type { ScheduleRow } from '../../engine/schedules.repository.js';

export class ScheduleDto {
  @ApiProperty({ example: 'jobs.cleanup' })
  name!: string;

  @ApiProperty({ example: 'jobs.cleanup', description: 'Of the jobs that it enqueues' })
  type!: string;

  @ApiProperty({ example: '17 3 * * *', description: 'As in crontab(5); with six fields the first one is seconds' })
  cron!: string;

  @ApiProperty({ example: 'UTC', description: 'IANA name' })
  timeZone!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'Null: never' })
  nextRunAt!: Date | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'By the clock or by hand; null: not yet',
  })
  lastRunAt!: Date | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'For GET /api/jobs/:id, while it is kept' })
  lastJobId!: string | null;
}

export class SchedulePage extends PageOf(ScheduleDto) {}

/** Maps a row. A schedule has the name of its job. */
export function toScheduleDto(row: ScheduleRow): ScheduleDto {
  return {
    name: row.name,
    type: row.name,
    cron: row.cron,
    timeZone: row.time_zone,
    nextRunAt: row.next_run_at,
    lastRunAt: row.last_run_at,
    lastJobId: row.last_job,
  };
}
