// Settings of background jobs.
import { HttpSettings } from '../common/http/http.settings.js';
import { defineSettings } from '../shared/config/settings.js';
import { integer } from '../shared/config/variables.js';

export const JobSettings = defineSettings(
  'Jobs',
  {
    /** Milliseconds. */
    lease: integer('JOB_LEASE', {
      min: 500,
      max: 600_000,
      default: 10_000,
      doc: 'A worker that does not renew its lease for this time counts as dead, and its jobs run again, milliseconds',
    }),
    concurrency: integer('JOB_CONCURRENCY', {
      min: 1,
      max: 1_000,
      default: 10,
      doc: 'Jobs of one queue that a process runs at once, unless the job defines its own number',
    }),
    quota: integer('JOB_QUOTA', {
      min: 1,
      default: 100,
      doc: 'Maximum waiting jobs of one user; further jobs are refused, as they are with ten times as many dead letters',
    }),
    runningQuota: integer('JOB_RUNNING_QUOTA', {
      min: 1,
      max: 1_000,
      default: 4,
      doc: 'Maximum running jobs of one user, in all processes together; the others wait',
    }),
    retentionDays: integer('JOB_RETENTION', {
      min: 1,
      default: 7,
      doc: 'Days until finished jobs are deleted; dead letters stay until they are replayed or discarded',
    }),
    retentionCount: integer('JOB_RETENTION_COUNT', {
      min: 1,
      doc: 'Maximum finished jobs of one user that are kept, dead letters apart; the oldest are deleted first. Default: ten times JOB_QUOTA',
    }),
  },
  {
    derive(values, get) {
      const { shutdownDelay, shutdownGrace } = get(HttpSettings);
      const { retentionCount = 10 * values.quota } = values;
      /** `shutdownMs`: from SIGTERM until the process exits. */
      return { ...values, retentionCount, shutdownMs: shutdownDelay + shutdownGrace };
    },
  },
);
export type JobSettings = InstanceType<typeof JobSettings>;
