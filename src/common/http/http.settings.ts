// Settings of the HTTP server: address, proxies and browsers, limits of requests and connections, shutdown.
import { isNarrowNetwork, isNetwork } from '../../shared/config/production-rules.js';
import { defineSettings } from '../../shared/config/settings.js';
import { host, integer, itemsOf, list, port } from '../../shared/config/variables.js';

/** Times are in milliseconds. */
export const HttpSettings = defineSettings(
  'HTTP',
  {
    host: host('HOST', {
      default: '127.0.0.1',
      productionDefault: '0.0.0.0',
      doc: 'Address to listen on; localhost means 127.0.0.1',
    }),
    port: port('PORT', { default: 3000, doc: 'Port to listen on; 0 picks a free one' }),
    corsOrigins: list('CORS_ORIGINS', {
      accepts: (item) => URL.canParse(item) && new URL(item).origin === item,
      each: 'an exact origin like https://app.example.com',
      doc: 'Origins that browsers may call from, comma-separated, exact (https://app.example.com)',
    }),
    trustProxy: list('TRUST_PROXY', {
      accepts: isNetwork,
      each: 'an IP address or a CIDR range, and not everybody (/0)',
      checks: [
        {
          inProduction: true,
          accepts: (given) => itemsOf(given).every(isNarrowNetwork),
          rule: 'must name your proxies alone: in a range wider than /8 (IPv6: /16) anybody can forge an address',
        },
      ],
      doc: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For is trusted, comma-separated',
    }),
    bodyLimitBytes: integer('BODY_LIMIT', {
      min: 1024,
      default: 1_048_576,
      doc: 'Maximum size of a JSON body, bytes',
    }),
    bodyTimeout: integer('BODY_TIMEOUT', {
      min: 100,
      default: 10_000,
      doc: 'Maximum time for the arrival of a JSON body, milliseconds',
    }),
    /** Bytes per second. */
    minTransferRate: integer('MIN_TRANSFER_RATE', {
      min: 1,
      default: 1024,
      doc: 'Minimum rate of uploads and downloads, measured over BODY_TIMEOUT, bytes per second; slower ones are cut, and a resumable upload can continue',
    }),
    maxConnections: {
      total: integer('MAX_CONNECTIONS', {
        min: 1,
        default: 10_000,
        doc: 'Maximum open connections of a process, each of which takes a file descriptor, and an upload two; further ones take the place of one of the network that holds most, or are closed',
      }),
      perNetwork: integer('MAX_CONNECTIONS_PER_ADDRESS', {
        min: 1,
        default: 1_000,
        doc: 'Maximum of these connections from one IPv4 address or IPv6 /64 network, with 64 times as many (at most half of MAX_CONNECTIONS) from one /48; the proxies of TRUST_PROXY are exempt',
      }),
    },
    uploadsPerUser: integer('UPLOADS_PER_USER', {
      min: 1,
      default: 30,
      doc: 'Maximum uploads of one user that arrive at a process at the same time; further ones are answered 429',
    }),
    requestTimeout: integer('REQUEST_TIMEOUT', {
      min: 1000,
      default: 30_000,
      doc: 'Maximum time of a handler, milliseconds',
    }),
    shutdownDelay: integer('SHUTDOWN_DELAY', {
      min: 0,
      default: 0,
      productionDefault: 5000,
      doc: 'Time after SIGTERM in which requests are still served while readiness returns 503, milliseconds',
    }),
    shutdownGrace: integer('SHUTDOWN_GRACE', {
      min: 0,
      default: 20_000,
      doc: 'Time for requests in flight to finish, milliseconds; then the process exits',
    }),
  },
  {
    derive: (values) => ({
      ...values,
      /** For `localhost`, Fastify would open a second server on `::1`, which has none of our connection limits. */
      host: values.host === 'localhost' ? '127.0.0.1' : values.host,
    }),
  },
);
export type HttpSettings = InstanceType<typeof HttpSettings>;
