// The line to S3: how long it may keep us waiting, and errors that tell what went wrong but nothing of our secrets.
import { S3Client } from '@aws-sdk/client-s3';
import type { S3Config } from '../../shared/config/app-config.js';

/** Milliseconds. What does not come in time is asked for again, three times in all. */
export interface S3Patience {
  /** For a connection, and for a place among them. */
  connection: number;
  /** For the beginning of an answer. */
  answer: number;
  /** The same where a part of a file goes along. */
  part: number;
  /** Amid a download. Our HTTP server, who waits one or two minutes for a client who reads nothing, is to give up first. */
  silence: number;
}

export const PATIENCE: S3Patience = { connection: 5_000, answer: 15_000, part: 60_000, silence: 150_000 };

/** Each download holds one as long as its client reads: with few of them few slow clients would shut everybody out. */
const MOST_CONNECTIONS = 1_000;

interface SdkFault extends Error {
  /** Of the network. */
  code?: string;
  $metadata?: { httpStatusCode?: number };
}

/** `name` is S3's own code, such as `NoSuchKey`. */
export class S3Error extends Error {
  /** Of S3's answer; undefined: there was none. */
  readonly status: number | undefined;
  /** What a request that needed it is answered with; undefined: the fault is ours. */
  readonly statusCode: 503 | undefined;

  constructor(command: string, { name, message, code, $metadata }: SdkFault) {
    const status = $metadata?.httpStatusCode;
    super(`S3 ${command}: ${[status, code ?? name, message].filter(Boolean).join(' ')}`);
    this.name = name;
    this.status = status;
    this.statusCode = status === undefined || status >= 500 || status === 429 ? 503 : undefined;
  }
}

export function createS3Client(config: S3Config, patience: S3Patience): S3Client {
  const pool = { keepAlive: true, maxSockets: MOST_CONNECTIONS };
  const client = new S3Client({
    endpoint: config.endpoint,
    region: config.region,
    credentials: config.credentials && { ...config.credentials }, // the SDK writes into it, and settings are frozen
    forcePathStyle: config.pathStyle,
    maxAttempts: 3,
    // The signature of a request holds the SHA-256 of its body already; checksums on top are what some services can't take.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false, // it takes a new connection for every part
    requestHandler: {
      connectionTimeout: patience.connection,
      requestTimeout: patience.part,
      throwOnRequestTimeout: true,
      socketTimeout: patience.silence,
      httpAgent: pool,
      httpsAgent: pool,
    },
  });
  // The SDK's errors carry all of S3's answer, which may quote the request: key id, session token, signature.
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
