// Error definitions of schedules.
import { defineErrors } from '../../shared/libs/app-error.js';

export const ScheduleErrors = defineErrors('SCHEDULE', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (name: string) => `No schedule ${name}.`,
    cure: 'GET /api/schedules names them all.',
  },
});
