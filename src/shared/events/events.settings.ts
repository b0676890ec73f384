// Settings of the event log.
import { defineSettings } from '../config/settings.js';
import { integer } from '../config/variables.js';

export const EventSettings = defineSettings('Event log', {
  retentionDays: integer('EVENT_RETENTION', {
    min: 1,
    max: 3_650,
    default: 7,
    doc: 'Days until events are deleted from the log; who reads with an older cursor gets GAP',
  }),
  retentionCount: integer('EVENT_RETENTION_COUNT', {
    min: 100,
    default: 10_000,
    doc: 'Maximum events of one user in the log; older ones are deleted first',
  }),
});
export type EventSettings = InstanceType<typeof EventSettings>;
