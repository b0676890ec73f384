// The pool's connections: a statement of a cancelled request is stopped inside PostgreSQL.
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { runningRequest, type RunningRequest } from '../logging/request-context.js';

/** How long PostgreSQL may take to hear a cancel. */
const GIVE_UP_MS = 2_000;
/** A cancel that came before its statement stopped nothing: it is sent again, after twice as long each time. */
const FIRST_WAIT_MS = 20;

/** What became of a cancel. Nobody knows when one that was sent and not confirmed will arrive. */
type Outcome = 'heard' | 'not sent' | 'unknown';

/** What pg's types leave out. */
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

/** Not sent, because its request is cancelled. With the code of those that PostgreSQL has stopped: query_canceled. */
export class StatementNotSentError extends Error {
  readonly code = '57014';
}

/**
 * Only statements that a request itself sends and awaits. A callback comes from the pool, which calls it in the context
 * of another request; lanes and relays have connections of their own, since what is on them belongs to many.
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
    if (text.startsWith('COMMIT')) return super.query(...parameters); // or nobody knew how it ended
    let cancelling: Promise<void> | undefined;
    const statement: Promise<unknown> = super.query(...parameters);
    const forget = request.onCancel(() => void (cancelling = this.cancelUntilOver(statement)));
    // Held until the cancel has been heard: it would hit the next statement on this connection.
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
      if (outcome === 'unknown') void this.end(); // the pool takes no connection back that has ended
      if (outcome !== 'heard') return;
      await Promise.race([over, delay(wait)]);
    }
  }

  /**
   * PostgreSQL manual, 54.2.9: over a connection of its own, which the server closes once it has signalled ours. From
   * then on the signal stands before whatever we send next; a backend that is idle takes no notice of it.
   */
  private sendCancel(): Promise<Outcome> {
    const { processID, secretKey, ssl, sslNegotiation } = this as unknown as RawClient;
    const connection = new pg.Connection({ ssl, sslNegotiation } as pg.ConnectionConfig) as RawConnection;
    return new Promise((resolve) => {
      let outcome: Outcome = 'not sent';
      const send = (): void => {
        outcome = 'heard';
        connection.cancel(processID, secretKey);
      };
      const fail = (): void => {
        if (outcome === 'heard') outcome = 'unknown';
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

/** With a callback, or a stream of rows. */
function isForeign([config, ...rest]: readonly unknown[]): boolean {
  return typeof (config as pg.Submittable).submit === 'function' || typeof rest.at(-1) === 'function';
}
