// Error definitions of realtime.
import { defineErrors } from '../shared/libs/app-error.js';

export const EventErrors = defineErrors('EVENTS', {
  GAP: {
    status: 410,
    level: 'info',
    message: () =>
      'The log cannot continue at this cursor: events behind it were deleted, or it is of another database.',
    cure: 'Get a new cursor (GET /api/events without `after`), then read the objects anew, and continue at the new cursor.',
  },
});

export const RealtimeErrors = defineErrors('REALTIME', {
  TOO_MANY_CLIENTS: {
    status: 429,
    level: 'info',
    message: (whose: string) => `Too many realtime connections of this ${whose} are open.`,
    cure: 'Share one connection, for example among the tabs of a browser, and close those that are not needed.',
  },
  UPGRADE_REQUIRED: {
    status: 426,
    level: 'debug',
    message: () => 'This address is for WebSockets.',
    cure: 'Connect with a WebSocket client (RFC 6455, version 13); without one, read GET /api/events.',
  },
  ORIGIN_REFUSED: {
    status: 403,
    level: 'info',
    message: () => 'Pages of this origin may not connect.',
    cure: 'Add the origin to CORS_ORIGINS, or connect from a page of our own host.',
  },
});
