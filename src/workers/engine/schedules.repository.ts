// The schedules table: the next and the last run of each schedule. All times are PostgreSQL's.
import { Injectable } from '@nestjs/common';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';

export interface ScheduleRow {
  name: string;
  cron: string;
  time_zone: string;
  next_run_at: Date | null;
  last_run_at: Date | null;
  last_job: string | null;
}

/** The times of a schedule as its definition has them. */
export interface ScheduleTimes {
  name: string;
  cron: string;
  timeZone: string;
  next: Date | null;
}

const statement = sqlFiles(import.meta.url, 'schedules');

@Injectable()
export class SchedulesRepository {
  constructor(private readonly transaction: Transaction) {}

  list(): Promise<ScheduleRow[]> {
    return this.transaction.query<ScheduleRow>({
      name: 'schedules-list',
      text: 'SELECT name, cron, time_zone, next_run_at, last_run_at, last_job FROM schedules ORDER BY name',
    });
  }

  async now(): Promise<Date> {
    const [row] = await this.transaction.query<{ now: Date }>({ name: 'schedules-now', text: 'SELECT now()' });
    return (row as { now: Date }).now;
  }

  async ensure(schedules: readonly ScheduleTimes[]): Promise<void> {
    const columns = (['name', 'cron', 'timeZone', 'next'] as const).map((key) => schedules.map((one) => one[key]));
    await this.transaction.query(statement('ensure-schedules', columns));
  }

  /** Returns the names of the due schedules. */
  async findDue(): Promise<string[]> {
    const rows = await this.transaction.read<{ name: string }>({
      name: 'schedules-due',
      text: 'SELECT name FROM schedules WHERE next_run_at <= now() ORDER BY next_run_at',
    });
    return rows.map(({ name }) => name);
  }

  /**
   * Locks the schedule until the transaction ends; after `fired` it is not due any more. Returns the current time, or null
   * when it is not due or another process has locked it. Uses clock_timestamp(), since the transaction may have begun long
   * before.
   */
  async claimDue(name: string): Promise<Date | null> {
    const [row] = await this.transaction.query<{ now: Date }>({
      name: 'schedules-claim',
      text: `SELECT clock_timestamp() AS now FROM schedules WHERE name = $1 AND next_run_at <= now() FOR UPDATE SKIP LOCKED`,
      values: [name],
    });
    return row?.now ?? null;
  }

  async fired(name: string, next: Date | null, jobId: string): Promise<void> {
    await this.transaction.query({
      name: 'schedules-fired',
      text: 'UPDATE schedules SET last_run_at = now(), last_job = $3, next_run_at = $2 WHERE name = $1',
      values: [name, next, jobId],
    });
  }

  /** Records a manual run. The next scheduled run does not change. */
  async ran(name: string, jobId: string): Promise<void> {
    await this.transaction.query({
      name: 'schedules-ran',
      text: 'UPDATE schedules SET last_run_at = now(), last_job = $2 WHERE name = $1',
      values: [name, jobId],
    });
  }
}
