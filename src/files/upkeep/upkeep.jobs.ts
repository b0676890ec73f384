// Job definitions of the storage's upkeep. The handlers are in this folder.
import { IsBoolean, IsNumber, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { definePermissions } from '../../common/access/permissions.js';
import { exponential } from '../../shared/libs/backoff.js';
import { defineCleanup, defineTrim } from '../../workers/cleanup/cleanup.js';
import { defineJob } from '../../workers/job.js';
import { NoPayload } from '../../workers/no-payload.js';

const FilePermissions = definePermissions({ maintain: 'files:maintain' });

/** One at a time in each process, because they read the whole storage. */
const check = {
  queue: 'storage-checks',
  attempts: 3,
  backoff: exponential(60_000),
  timeoutMs: 21_600_000,
  priority: 1,
  concurrency: 1,
  requestable: FilePermissions.maintain,
} as const;

/** Removes leases of dead writers, unneeded bytes, and deleted files after their retention. */
export const TidyStorage = defineJob<NoPayload>({
  ...{ ...check, name: 'files.tidy', queue: 'files', payload: NoPayload, timeoutMs: 600_000, concurrency: 4 },
  backoff: exponential(2_000),
  schedule: { cron: '*/5 * * * *', timeZone: 'UTC', payload: {} },
  uniqueKey: () => 'one',
});

export class SweepPayload {
  /** Only reports what it would do. */
  @IsOptional()
  @IsBoolean()
  dryRun?: boolean;

  /** Minimum age of bytes without a row, hours: younger ones are ignored. Default: 24. */
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(8_760)
  minAgeHours?: number;

  /** Continues even when the bytes of most blobs are missing. */
  @IsOptional()
  @IsBoolean()
  acceptLoss?: boolean;
}

/** Repairs differences: bytes without a row, rows without bytes, wrong counts. */
export const SweepStorage = defineJob<SweepPayload>({
  ...{ ...check, name: 'files.sweep', payload: SweepPayload },
  schedule: { cron: '43 2 * * *', timeZone: 'UTC', payload: {} },
});

export class VerifyPayload {
  /** Checks only the bytes of this file. Default: all. */
  @IsOptional()
  @IsUUID()
  fileId?: string;
}

/** Reads and hashes bytes, and compares them with the stored hash. */
export const VerifyStorage = defineJob<VerifyPayload>({
  ...{ ...check, name: 'files.verify', payload: VerifyPayload },
  schedule: { cron: '23 4 * * 0', timeZone: 'UTC', payload: {} },
});

/** Encrypts with the first key what is encrypted with another key, or not at all. */
export const RekeyStorage = defineJob<NoPayload>({
  ...{ ...check, name: 'files.rekey', payload: NoPayload },
  uniqueKey: () => 'one',
});

/** Runs after `links.cleanup`, which deletes the links to those files. */
export const FilesCleanup = defineCleanup('files.cleanup', '7 4 * * *');

export const FilesTrim = defineTrim('files.trim', 2);
