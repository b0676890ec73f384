// What the tasks' room refuses.
import { defineErrors } from '../shared/libs/app-error.js';

export const TaskErrors = defineErrors('TASK', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No task ${id}.`,
    cure: "Check the id. A deleted task, and someone else's, is not found either.",
  },
});
