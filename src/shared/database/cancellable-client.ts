// The pool's connections: they stop the statement of a cancelled request inside PostgreSQL.
import type { Socket } from 'node:net';
import pg from 'pg';
import { succeedsWithin } from '../libs/time-limit.js';
import { runningRequest, type RunningRequest } from '../logging/request-context.js';

/** Maximum time for PostgreSQL to accept a cancel request. */
const GIVE_UP_MS = 2_000;
/** A cancel that arrived before its statement had no effect: it is sent again, and each wait is twice as long as the last. */
const FIRST_WAIT_MS = 20;

/** The result of a cancel request. `unknown`: it was sent but not confirmed, so it may still arrive at any time. */
type SendOutcome = 'received' | 'not sent' | 'unknown';

/** Members that pg's types omit. */
interface RawConnection extends pg.Connection {
  connect(port: number, host: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}
interface RawClient {
  processID: number;
  secretKey: number;
  ssl: pg.ConnectionConfig['ssl'];
  sslNegotiation: string;
}

/** The statement was not sent because its request is cancelled. The code is that of a stopped statement: query_canceled. */
export class StatementNotSentError extends Error {
  readonly code = '57014';
}

/**
 * Cancels only statements that a request itself sends and awaits. It leaves out calls with a callback: those come from the
 * pool, which runs them in the context of another request. Pipelined statements and relays use their own connections,
 * because several callers share those.
 */
export class CancellableClient extends pg.Client {
  override query(...parameters: never[]): never {
    const request = runningRequest();
    if (!request || isForeign(parameters)) return super.query(...(parameters as unknown as [string])) as never;
    return this.queryFor(request, parameters as unknown as [string | pg.QueryConfig]) as never;
  }

  private queryFor(request: RunningRequest, parameters: [string | pg.QueryConfig]): Promise<unknown> {
    const [config] = parameters;
    const text = typeof config === 'string' ? config : config.text;
    if (text.startsWith('ROLLBACK')) return super.query(...parameters);
    if (request.cancelled) return Promise.reject(new StatementNotSentError('Not sent: the request was cancelled.'));
    if (text.startsWith('COMMIT')) return super.query(...parameters); // never refused: otherwise the outcome would be unknown
    let cancelling: Promise<void> | undefined;
    const statement: Promise<unknown> = super.query(...parameters);
    const forget = request.onCancel(() => void (cancelling = this.cancelUntilOver(statement)));
    // The connection stays reserved until the cancel was accepted: a later cancel would hit its next statement.
    return statement.finally(() => {
      forget();
      return cancelling;
    });
  }

  private async cancelUntilOver(statement: Promise<unknown>): Promise<void> {
    let isOver = false;
    const end = (): void => void (isOver = true);
    const over = statement.then(end, end);
    for (let wait = FIRST_WAIT_MS; !isOver; wait *= 2) {
      const outcome = await this.sendCancel();
      if (outcome === 'unknown') void this.end(); // the pool does not reuse a connection that has ended
      if (outcome !== 'received') return;
      await succeedsWithin(wait, over);
    }
  }

  /**
   * Sends the cancel over a separate connection, which the server closes after it has signalled our backend (PostgreSQL
   * manual, 54.2.9). From then on the signal precedes any statement that we send next, and an idle backend ignores it.
   */
  private sendCancel(): Promise<SendOutcome> {
    const { processID, secretKey, ssl, sslNegotiation } = this as unknown as RawClient;
    const connection = new pg.Connection({ ssl, sslNegotiation } as pg.ConnectionConfig) as RawConnection;
    return new Promise((resolve) => {
      let outcome: SendOutcome = 'not sent';
      const send = (): void => {
        outcome = 'received';
        connection.cancel(processID, secretKey);
      };
      const fail = (): void => {
        if (outcome === 'received') outcome = 'unknown';
        (connection.stream as Socket).destroy();
      };
      const timer = setTimeout(fail, GIVE_UP_MS);
      connection.on('error', fail);
      connection.once('sslconnect', send);
      connection.once('connect', () => {
        if (!ssl) send();
        else if (sslNegotiation !== 'direct') connection.requestSsl();
      });
      connection.once('end', () => {
        clearTimeout(timer);
        resolve(outcome);
      });
      connection.connect(this.port, this.host.startsWith('/') ? `${this.host}/.s.PGSQL.${this.port}` : this.host);
    });
  }
}

/** True for a call with a callback and for a row stream. */
function isForeign([config, ...rest]: readonly unknown[]): boolean {
  return typeof (config as pg.Submittable).submit === 'function' || typeof rest.at(-1) === 'function';
}
