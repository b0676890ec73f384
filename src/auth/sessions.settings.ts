// Settings of sessions.
import { defineSettings } from '../shared/config/settings.js';
import { integer, seconds } from '../shared/config/variables.js';

/** Times are in milliseconds unless the name says otherwise. */
export const SessionSettings = defineSettings(
  'Sessions',
  {
    ttl: seconds('REFRESH_TOKEN_TTL', {
      min: 60,
      default: 2_592_000,
      doc: 'Lifetime of a session, seconds (30 days)',
    }),
    idleTtl: seconds('REFRESH_IDLE_TTL', {
      min: 60,
      default: 604_800,
      doc: 'A session ends after this time without use, seconds (7 days)',
    }),
    refreshGrace: seconds('REFRESH_GRACE', {
      min: 0,
      max: 60,
      default: 10,
      fractions: true,
      doc: 'Time after a rotation in which the previous refresh token still gets the same successor, seconds',
    }),
    quota: integer('SESSION_QUOTA', {
      min: 1,
      default: 100,
      doc: 'Maximum sessions of one user; a further login ends the least recently used one',
    }),
    retentionDays: integer('SESSION_RETENTION', {
      min: 1,
      max: 3_650,
      default: 30,
      doc: 'Days until ended sessions are deleted',
    }),
    retentionCount: integer('SESSION_RETENTION_COUNT', {
      min: 1,
      doc: 'Maximum ended sessions of one user that are kept; the oldest are deleted first. Default: SESSION_QUOTA',
    }),
  },
  { derive: (values) => ({ ...values, retentionCount: values.retentionCount ?? values.quota }) },
);
export type SessionSettings = InstanceType<typeof SessionSettings>;
