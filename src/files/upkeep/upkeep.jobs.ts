// Keeping the storage in order, in words; who does it stands beside.
import { IsBoolean, IsNumber, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { exponential } from '../../shared/libs/backoff.js';
import { defineJob } from '../../workers/job.js';
import { NoPayload } from '../../workers/no-payload.js';

/** One at a time in each process: they read the whole storage. */
const check = {
  queue: 'storage-checks',
  attempts: 3,
  backoff: exponential(60_000),
  timeoutMs: 21_600_000,
  priority: 1,
  concurrency: 1,
  requestable: 'files:maintain',
} as const;

/** What is over is removed: leases of writers that died, bytes nobody needs, deleted files whose days are over. */
export const TidyStorage = defineJob<NoPayload>({
  ...{ ...check, name: 'files.tidy', queue: 'files', payload: NoPayload, timeoutMs: 600_000, concurrency: 4 },
  backoff: exponential(2_000),
  schedule: { cron: '*/5 * * * *', timeZone: 'UTC', payload: {} },
  uniqueKey: () => 'one',
});

export class SweepPayload {
  /** Only says what it would do. */
  @IsOptional()
  @IsBoolean()
  dryRun?: boolean;

  /** Bytes without a row that are younger are left alone, hours. Default: 24. */
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(8_760)
  minAgeHours?: number;

  /** Goes on though the bytes of most blobs are missing. */
  @IsOptional()
  @IsBoolean()
  acceptLoss?: boolean;
}

/** What only one side knows is put right: bytes without a row, rows without bytes, wrong counts. */
export const SweepStorage = defineJob<SweepPayload>({
  ...{ ...check, name: 'files.sweep', payload: SweepPayload },
  schedule: { cron: '43 2 * * *', timeZone: 'UTC', payload: {} },
});

export class VerifyPayload {
  /** Only the bytes of this file; without it all. */
  @IsOptional()
  @IsUUID()
  fileId?: string;
}

/** Bytes are read and hashed: are they those that were stored? */
export const VerifyStorage = defineJob<VerifyPayload>({
  ...{ ...check, name: 'files.verify', payload: VerifyPayload },
  schedule: { cron: '23 4 * * 0', timeZone: 'UTC', payload: {} },
});

/** What is encrypted with another key than the first, or with none, is encrypted with the first. */
export const RekeyStorage = defineJob<NoPayload>({
  ...{ ...check, name: 'files.rekey', payload: NoPayload },
  uniqueKey: () => 'one',
});
