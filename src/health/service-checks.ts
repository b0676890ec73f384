// The state of the services that not all requests need: a process without one of them is degraded, but ready.
import { Inject, Injectable } from '@nestjs/common';
import { succeedsWithin } from '../shared/libs/time-limit.js';
import { Redis } from '../shared/redis/redis.js';
import { FileStorage } from '../storage/file-storage.js';
import { QueueDriver } from '../workers/drivers/queue.driver.js';

/** Short, because a probe reports nothing when it exceeds its own timeout. */
const FILES_TIMEOUT_MS = 1_000;

export type ServiceState = { status: 'up' | 'degraded' } & Record<string, string>;

@Injectable()
export class ServiceChecks {
  constructor(
    private readonly driver: QueueDriver,
    private readonly storage: FileStorage,
    @Inject(Redis) private readonly redis: Redis | null,
  ) {}

  checkCache(): ServiceState {
    return this.redis?.isUp === false
      ? { status: 'degraded', message: 'Redis is away: reads come from the database, limits count per process.' }
      : { status: 'up', store: this.redis ? 'redis' : 'memory' };
  }

  /** Returns no names or addresses, because the route is public; the log contains them. */
  checkBroker(): ServiceState {
    const kind = this.driver.broker ? 'rabbitmq' : 'postgres';
    if (this.driver.broker?.isUp !== false) return { status: 'up', kind };
    const { refusal } = this.driver;
    const fault = refusal === null ? 'is away' : `refuses this server (${refusal}; the log has the details)`;
    return { status: 'degraded', kind, message: `RabbitMQ ${fault}: jobs are handed out by PostgreSQL alone.` };
  }

  /** Reports a failed storage as degraded, because everything else works without it. */
  async checkFiles(): Promise<ServiceState> {
    const { kind } = this.storage;
    if (await succeedsWithin(FILES_TIMEOUT_MS, this.storage.expectWorking())) return { status: 'up', kind };
    const message = 'Files cannot be stored: the storage is full, or away, and then they cannot be read either.';
    return { status: 'degraded', kind, message };
  }
}
