// Settings of realtime clients.
import { defineSettings } from '../shared/config/settings.js';
import { integer, seconds } from '../shared/config/variables.js';

/** Times are in milliseconds. */
export const RealtimeSettings = defineSettings('Realtime', {
  maxClients: {
    perUser: integer('REALTIME_CLIENTS_PER_USER', {
      min: 1,
      default: 50,
      doc: 'Maximum WebSockets, event streams and waiting polls of one user in a process',
    }),
    perNetwork: integer('REALTIME_CLIENTS_PER_ADDRESS', {
      min: 1,
      default: 500,
      doc: 'Maximum of these from one IPv4 address or IPv6 /64 network in a process; from one /48 there may be 64 times as many, but at most half of MAX_CONNECTIONS',
    }),
  },
  /** Bytes. */
  maxUnread: integer('REALTIME_UNREAD_LIMIT', {
    min: 65_536,
    default: 262_144,
    doc: 'Bytes that wait for a WebSocket whose client reads slowly; further events wait in the log, bytes',
  }),
  slowReaderTimeout: seconds('REALTIME_SLOW_READER_TIMEOUT', {
    min: 1,
    default: 30,
    doc: 'Time in which such a client must read what waits for it, seconds; otherwise its socket is closed with 4408',
  }),
});
export type RealtimeSettings = InstanceType<typeof RealtimeSettings>;
