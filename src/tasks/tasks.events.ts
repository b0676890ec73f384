// The events of tasks.
import type { EventShape } from '../common/repositories/event-of-row.js';
import { defineEvent, type RowChange } from '../shared/events/event.js';
import type { Task } from './task.entity.js';

export const TaskCreated = defineEvent<RowChange>('task.created', { published: true });
export const TaskUpdated = defineEvent<RowChange>('task.updated', { published: true });
export const TaskDeleted = defineEvent<RowChange>('task.deleted', { published: true });
/** An administrator brought the task back. */
export const TaskRestored = defineEvent<RowChange>('task.restored', { published: true, audited: true });

export const TASK_EVENT_SHAPE: EventShape<Task> = {
  owner: 'ownerId',
  fields: ['ownerUuid', 'title', 'description', 'status', 'priority', 'dueAt'],
};
