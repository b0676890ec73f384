// A WebSocket client of /ws/updates for tests: collects the messages, and waits for some.
import { type ClientOptions, WebSocket } from 'ws';
import { until } from '../time/until.js';
import type { EventMessage } from './event-stream.js';

export interface Received extends EventMessage {
  code?: string;
  message?: string;
  topics?: string[];
}

export class UpdatesClient {
  readonly messages: Received[] = [];
  closed: { code: number; reason: string } | undefined;
  /** The status of a refused handshake. */
  refusal: number | undefined;

  private constructor(readonly ws: WebSocket) {
    ws.on('message', (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString()) as Received);
    });
    ws.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    ws.on('error', () => undefined);
    ws.on('unexpected-response', (_request, response) => {
      this.refusal = response.statusCode;
      response.resume();
    });
  }

  /** `url`: of the server. Resolves when the socket is open, or closed. */
  static async connect(
    url: string,
    query: string,
    { protocols = [], ...options }: ClientOptions & { protocols?: string[] } = {},
  ): Promise<UpdatesClient> {
    const client = new UpdatesClient(
      new WebSocket(`${url.replace('http', 'ws')}/ws/updates${query}`, protocols, options),
    );
    await until(
      () => client.ws.readyState === WebSocket.OPEN || client.closed || client.refusal,
      'the WebSocket to open',
    );
    return client;
  }

  send(message: object): void {
    this.ws.send(JSON.stringify(message));
  }

  /** Sends a message and resolves with the first later one of the type. */
  async ask(message: object, type: string): Promise<Received> {
    const before = this.messages.length;
    this.send(message);
    return until(() => {
      if (this.closed) throw new Error(`Closed with ${this.closed.code} before ${type}`);
      return this.messages.slice(before).find((one) => one.type === type);
    }, type);
  }

  /** Resolves with the messages of these types when there are `count`. */
  async received(count: number, types: RegExp = /^(TASK|FILE|JOB)_/): Promise<Received[]> {
    const matching = (): Received[] => this.messages.filter(({ type }) => types.test(type));
    await until(() => matching().length >= count, `${count} messages of ${types}`);
    return matching();
  }

  async end(): Promise<{ code: number; reason: string }> {
    return until(() => this.closed, 'the WebSocket to be closed');
  }

  close(): void {
    this.ws.terminate();
  }
}
