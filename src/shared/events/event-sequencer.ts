// Numbers the recorded events in the background, and keeps the partitions of the event log.
import { setTimeout as delay } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { sqlFiles } from '../database/sql-file.js';
import { SNOWFLAKE_EPOCH } from '../database/snowflake-ids.js';
import { Transaction } from '../database/transaction.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { EventSignals } from './event-signals.js';
import { EventSettings } from './events.settings.js';

/** Maximum events of one statement: its locks are short. */
const BATCH = 2_000;
/** While there are events: the longest time until one can be read. */
const BUSY_MS = 20;
/** Without events, and while another process numbers them. */
const IDLE_MS = 100;
const RETRY_MS = 1_000;
/** The first failures in a row have no line in the log. */
const MIN_REPORTED_FAILURES = 5;
const PARTITIONS_EVERY_MS = 3_600_000;
const MAX_CATCH_UP_MS = 1_000;

interface Numbered {
  /** False: another process numbers events. */
  isMine: boolean;
  taken: number;
  /** Keys of the owners that have new events in their logs; null: none. */
  owners: string[] | null;
}

/**
 * Every process runs one; an advisory lock lets one of them work at a time, so the death of a process stops nothing. ADR 025
 * states why the order is right.
 */
@Injectable()
export class EventSequencer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly statement = sqlFiles(import.meta.url, 'events');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private isOver = false;
  private failures = 0;
  private partitionsDueAt = 0;

  constructor(
    private readonly transaction: Transaction,
    private readonly settings: EventSettings,
    private readonly signals: EventSignals,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.schedule(0);
  }

  /** The events of requests that are still running wait in the table for another process, or for the next start. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isOver = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private schedule(ms: number): void {
    if (this.isOver) return;
    this.timer = setTimeout(() => {
      this.running = this.next().then((wait) => this.schedule(wait));
    }, ms).unref();
  }

  /** Never rejects. Returns the time until the next run. */
  private async next(): Promise<number> {
    try {
      if (performance.now() >= this.partitionsDueAt) await this.keepPartitions();
      const { taken } = await this.number();
      this.failures = 0;
      return taken === BATCH ? 0 : taken > 0 ? BUSY_MS : IDLE_MS;
    } catch (error) {
      this.partitionsDueAt = 0; // a missing partition is one of the causes
      // One failure, as of a connection, only delays events by a second.
      if (++this.failures === MIN_REPORTED_FAILURES)
        this.logger.error({ err: error }, 'Failed to number the recorded events several times; they wait');
      return RETRY_MS;
    }
  }

  /** Resolves when all events that were recorded before the call are in the logs; after a second in any case. */
  async catchUp(): Promise<void> {
    const end = performance.now() + MAX_CATCH_UP_MS;
    for (;;) {
      const { isMine, taken } = await this.number();
      if ((isMine && taken < BATCH) || performance.now() > end) return;
      if (!isMine) await delay(BUSY_MS);
    }
  }

  private async number(): Promise<Numbered> {
    const values = [BATCH, SNOWFLAKE_EPOCH, this.settings.retentionCount];
    const rows = await this.transaction.query<Numbered & Record<string, unknown>>(this.statement('number', values));
    const [numbered] = rows as unknown as [Numbered];
    if (numbered.owners) this.signals.publish(numbered.owners);
    return numbered;
  }

  private async keepPartitions(): Promise<void> {
    await this.transaction.query({
      name: 'events-keep-partitions',
      text: 'SELECT keep_event_partitions($1::integer)',
      values: [this.settings.retentionDays],
    });
    this.partitionsDueAt = performance.now() + PARTITIONS_EVERY_MS;
  }
}
