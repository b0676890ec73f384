// Error definitions of tasks.
import { defineErrors } from '../shared/libs/app-error.js';

export const TaskErrors = defineErrors('TASK', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No task ${id}.`,
    cure: "Check the id. A deleted task, and someone else's, is not found either.",
  },
  QUOTA_EXCEEDED: {
    status: 409,
    level: 'info',
    message: (quota: number) => `With this there would be more than ${quota} tasks.`,
    cure: 'Delete tasks that are not needed. The operator sets the limit with TASK_QUOTA.',
  },
});
