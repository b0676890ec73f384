// The messages that clients receive: one for each event of the log that they may subscribe to.
import { FileCreated, FileDeleted, FileRestored, FileUpdated } from '../files/files.events.js';
import type { EventDefinition, RowChange } from '../shared/events/event.js';
import type { LoggedEvent } from '../shared/events/event-log.js';
import { TaskCreated, TaskDeleted, TaskRestored, TaskUpdated } from '../tasks/tasks.events.js';
import { JobDone } from '../workers/jobs.events.js';
import { payloadOf, textFrame } from './text-frame.js';

export const TOPICS = ['tasks', 'files', 'jobs'] as const;
export type Topic = (typeof TOPICS)[number];

/** An event of the log as all its receivers get it: serialised once. */
export interface EventMessage {
  readonly topic: Topic;
  readonly cursor: string;
  /** JSON in UTF-8. */
  readonly json: Buffer;
  /** The same as a WebSocket frame. */
  readonly frame: Buffer;
}

interface Kind {
  topic: Topic;
  type: string;
  /** Returns the object that the event is about, under its member of the message. */
  subject: (event: LoggedEvent) => Record<string, unknown>;
}

/** Members of a file in answers; events also have its owner and the time of its last change. */
const FILE_MEMBERS = ['id', 'name', 'mimeType', 'declaredType', 'size', 'sha256', 'bucket', 'createdAt', 'version'];

const afterOf = ({ data }: LoggedEvent): Record<string, unknown> => (data as RowChange).after;
const task = (event: LoggedEvent) => ({ task: afterOf(event) });
const file = (event: LoggedEvent) => {
  const after = afterOf(event);
  return { file: Object.fromEntries(FILE_MEMBERS.map((member) => [member, after[member]])) };
};
const job = ({ data }: LoggedEvent) => {
  const { jobId, type, status } = data as NonNullable<(typeof JobDone)['data']>;
  return { job: { id: jobId, type, status } };
};

/** A restored object was gone for its clients, so it is created for them. */
const KINDS = new Map<string, Kind>(
  (
    [
      [TaskCreated, { topic: 'tasks', type: 'TASK_CREATED', subject: task }],
      [TaskUpdated, { topic: 'tasks', type: 'TASK_UPDATED', subject: task }],
      [TaskDeleted, { topic: 'tasks', type: 'TASK_DELETED', subject: task }],
      [TaskRestored, { topic: 'tasks', type: 'TASK_CREATED', subject: task }],
      [FileCreated, { topic: 'files', type: 'FILE_CREATED', subject: file }],
      [FileUpdated, { topic: 'files', type: 'FILE_UPDATED', subject: file }],
      [FileDeleted, { topic: 'files', type: 'FILE_DELETED', subject: file }],
      [FileRestored, { topic: 'files', type: 'FILE_CREATED', subject: file }],
      [JobDone, { topic: 'jobs', type: 'JOB_DONE', subject: job }],
    ] as ReadonlyArray<[EventDefinition<unknown>, Kind]>
  ).map(([{ name }, kind]) => [name, kind]),
);

/** Returns null for an event that clients cannot subscribe to, as the end of a session. */
export function toMessage(event: LoggedEvent): EventMessage | null {
  const kind = KINDS.get(event.name);
  if (!kind) return null;
  const { cursor, at } = event;
  const message = { type: kind.type, ...kind.subject(event), cursor, timestamp: at };
  const frame = textFrame(Buffer.from(JSON.stringify(message)));
  return { topic: kind.topic, cursor, json: payloadOf(frame), frame };
}
