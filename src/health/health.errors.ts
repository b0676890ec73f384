// Error definitions of the probes.
import { defineErrors } from '../shared/libs/app-error.js';

export const HealthErrors = defineErrors('', {
  NOT_READY: {
    status: 503,
    level: 'debug',
    message: () => 'Not ready for traffic.',
    cure: 'Wait; `details` names what fails. Pending migrations: run `npm run migration:run`.',
  },
});
