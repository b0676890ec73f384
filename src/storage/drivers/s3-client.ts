// The S3 client: its time limits, and errors that explain the failure without revealing secrets.
import { S3Client } from '@aws-sdk/client-s3';
import type { S3Config } from '../storage.settings.js';

/** Time limits in milliseconds. A request that exceeds one is retried, three attempts in total. */
export interface S3Timeouts {
  /** To connect, and to wait for a free connection. */
  connection: number;
  /** Until the beginning of a response. */
  answer: number;
  /** The same for a request that sends a part of a file. */
  part: number;
  /** Silence during a download. Our HTTP server, which waits one or two minutes for a stalled client, must give up first. */
  silence: number;
}

export const TIMEOUTS: S3Timeouts = { connection: 5_000, answer: 15_000, part: 60_000, silence: 150_000 };

/** Each download uses one while its client reads: with a low maximum, a few slow clients could lock out all others. */
const MAX_CONNECTIONS = 1_000;

interface SdkFault extends Error {
  /** Error code of the network. */
  code?: string;
  $metadata?: { httpStatusCode?: number };
}

/** `name` is S3's own code, for example `NoSuchKey`. */
export class S3Error extends Error {
  /** The status of S3's response; undefined when there was none. */
  readonly status: number | undefined;
  /** The status for a request that needed S3; undefined when the fault is ours. */
  readonly statusCode: 503 | undefined;

  constructor(command: string, { name, message, code, $metadata }: SdkFault) {
    const status = $metadata?.httpStatusCode;
    super(`S3 ${command}: ${[status, code ?? name, message].filter(Boolean).join(' ')}`);
    this.name = name;
    this.status = status;
    this.statusCode = status === undefined || status >= 500 || status === 429 ? 503 : undefined;
  }
}

export function createS3Client(config: S3Config, timeouts: S3Timeouts): S3Client {
  const pool = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
  const client = new S3Client({
    endpoint: config.endpoint,
    region: config.region,
    credentials: config.credentials && { ...config.credentials }, // a copy: the SDK writes into it
    forcePathStyle: config.pathStyle,
    maxAttempts: 3,
    // The signature already contains the SHA-256 of the body, and some services do not support additional checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false, // it would open a new connection for every part
    requestHandler: {
      connectionTimeout: timeouts.connection,
      requestTimeout: timeouts.part,
      throwOnRequestTimeout: true,
      socketTimeout: timeouts.silence,
      httpAgent: pool,
      httpsAgent: pool,
    },
  });
  // The SDK's errors contain S3's whole response, which may quote the request: key id, session token, signature.
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      (args) =>
        next(args).catch((error: unknown) => {
          throw new S3Error(commandName.replace(/Command$/, ''), error as SdkFault);
        }),
    { step: 'initialize', priority: 'high', name: 'errorsWithoutSecrets' },
  );
  return client;
}
