// Creates Snowflake primary keys that stay unique across clock changes and processes.
import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import snowflake from 'nodejs-snowflake';
import { Clock } from '../libs/clock.js';
import { PipelinedConnections } from './pipelined-connections.js';
import { requestContext } from '../logging/request-context.js';

/** 2024-01-01T00:00:00Z. A change would repeat ids. */
export const SNOWFLAKE_EPOCH = 1_704_067_200_000;
/** The milliseconds of a snowflake are above its 22 bits of instance and sequence. */
const TIME_SHIFT = 22n;
const SEQUENCES_PER_MS = 1024; // nodejs-snowflake: 42 bits of time, 12 of instance, 10 of sequence
const RESERVE_MS = 10_000;
const RENEW_BELOW_MS = 5_000;
const LEASE_SECONDS = 60;

interface Lease {
  instance: number;
  codec: snowflake.Snowflake;
  /** Ids with a later time must not be used. The database has committed this value before any id uses it. */
  reservedMs: number;
}

/**
 * nodejs-snowflake packs the bits, but it trusts the clock and accepts any instance number. Here both come from the table
 * `snowflake_lease`: a process takes a free instance number and reserves time before it uses it; the next process with that
 * number starts above the reservation. So neither a stolen lease, a frozen process nor a clock jump can repeat an id. When
 * the clock steps back, the time in the ids only runs ahead of it. Ids renew the lease on use, without a timer, and over a connection outside of the pool:
 * transactions that wait for an id may hold all connections of the pool.
 */
@Injectable()
export class SnowflakeIds {
  private readonly holder = randomUUID();
  private lease: Lease | undefined;
  private lastMs = 0;
  private sequence = 0;
  private renewing: Promise<Lease> | undefined;

  constructor(
    private readonly connections: PipelinedConnections,
    private readonly clock: Clock,
  ) {}

  /** Returns the next id, greater than all earlier ids of this process. Rejects when the reservation cannot be renewed. */
  async next(): Promise<string> {
    for (;;) {
      const lease = this.lease ?? (await this.renew());
      const at = this.tick();
      if (at <= lease.reservedMs) {
        if (lease.reservedMs - at < RENEW_BELOW_MS) this.renewAhead();
        return (BigInt(lease.codec.idFromTimestamp(at) as bigint) | BigInt(this.sequence)).toString();
      }
      await this.renew();
    }
  }

  /** Advances the logical clock by one id and returns its millisecond. */
  private tick(): number {
    const now = this.clock.now();
    if (now > this.lastMs) {
      this.lastMs = now;
      this.sequence = 0;
    } else if (++this.sequence === SEQUENCES_PER_MS) {
      this.lastMs++; // uses the next millisecond, even if the clock is behind it
      this.sequence = 0;
    }
    return this.lastMs;
  }

  /** Renews in the background; a failure reaches a caller only when the reservation has run out. */
  private renewAhead(): void {
    this.renew().catch(() => undefined);
  }

  private renew(): Promise<Lease> {
    // The renewal serves all callers, so it must not be cancelled with the request that started it.
    this.renewing ??= requestContext.exit(() => this.extend()).finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  private async extend(): Promise<Lease> {
    const until = Math.max(this.clock.now(), this.lastMs) + RESERVE_MS;
    const kept = this.lease && (await this.reserve(this.lease.instance, until));
    if (this.lease && kept) {
      this.lease.reservedMs = kept;
      return this.lease;
    }
    return (this.lease = await this.claim());
  }

  /** Extends our reservation. Returns null when another process has taken over the instance number. */
  private async reserve(instance: number, until: number): Promise<number | null> {
    const rows = await this.connections.query<{ reserved_ms: string }>({
      text: `UPDATE snowflake_lease SET reserved_ms = greatest(reserved_ms, $3), lease_until = clock_timestamp() + make_interval(secs => $4)
       WHERE instance_id = $1 AND holder = $2 RETURNING reserved_ms`,
      values: [instance, this.holder, until, LEASE_SECONDS],
    });
    return rows[0] ? Number(rows[0].reserved_ms) : null;
  }

  /** Takes the free instance number with the oldest lease. Ids start above the reservation of its last holder. */
  private async claim(): Promise<Lease> {
    const rows = await this.connections.query<{ instance_id: number; before: string; reserved_ms: string }>({
      text: `WITH free AS (
         SELECT instance_id, reserved_ms AS before FROM snowflake_lease
         WHERE lease_until < clock_timestamp() ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED)
       UPDATE snowflake_lease l SET holder = $1, lease_until = clock_timestamp() + make_interval(secs => $4),
         reserved_ms = greatest(free.before, $2) + $3
       FROM free WHERE l.instance_id = free.instance_id RETURNING l.instance_id, free.before, l.reserved_ms`,
      values: [this.holder, Math.max(this.clock.now(), this.lastMs), RESERVE_MS, LEASE_SECONDS],
    });
    const row = rows[0];
    if (!row)
      throw new Error(
        'All 4096 snowflake instance numbers are leased. Stop idle processes, or wait a minute for the leases of dead ones to end.',
      );
    this.lastMs = Math.max(this.lastMs, Number(row.before) + 1);
    this.sequence = 0;
    const codec = new snowflake.Snowflake({ custom_epoch: SNOWFLAKE_EPOCH, instance_id: row.instance_id });
    return { instance: row.instance_id, codec, reservedMs: Number(row.reserved_ms) };
  }
}

/** Returns a lower bound for all ids created at or after `ms`, in milliseconds since 1970. */
export function firstIdAt(ms: number): string {
  return (BigInt(Math.max(0, Math.ceil(ms) - SNOWFLAKE_EPOCH)) << TIME_SHIFT).toString();
}

/** Returns the creation time of an id, in milliseconds since 1970. */
export function timeOfId(id: string): number {
  return Number(BigInt(id) >> TIME_SHIFT) + SNOWFLAKE_EPOCH;
}
