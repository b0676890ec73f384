// A client of event streams (SSE) for tests: collects the blocks of one connection.
import { until } from '../time/until.js';

/** A message of the event log, as every way to read it has it. */
export interface EventMessage {
  type: string;
  cursor: string;
  timestamp?: string;
  task?: { id: string; title: string; version: number };
  file?: Record<string, unknown>;
  job?: { id: string; type: string; status?: string; progress?: number };
}

export class EventStream {
  /** The messages so far. */
  readonly messages: EventMessage[] = [];
  /** The last id, as a browser would send it after the end of the connection. */
  lastId = '';
  text = '';
  isEnded = false;
  private readonly controller = new AbortController();

  private constructor(
    readonly status: number,
    readonly headers: Headers,
  ) {}

  static async open(url: string, token: string, headers: Record<string, string> = {}): Promise<EventStream> {
    const controller = new AbortController();
    const response = await fetch(url, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...headers },
      signal: controller.signal,
    });
    const stream = new EventStream(response.status, response.headers);
    stream.controller.signal.addEventListener('abort', () => controller.abort());
    void stream.read(response.body as ReadableStream<Uint8Array>);
    return stream;
  }

  /** Resolves with the messages when there are `count`. */
  async received(count: number): Promise<EventMessage[]> {
    await until(() => this.messages.length >= count, `${count} messages of the stream`);
    return this.messages;
  }

  async ended(): Promise<void> {
    await until(() => this.isEnded, 'the stream to end');
  }

  /** Cuts the connection. */
  close(): void {
    this.controller.abort();
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
        const text = decoder.decode(chunk, { stream: true });
        this.text += text;
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop() as string;
        for (const block of blocks) this.take(block);
      }
    } catch {
      // cut by `close`, or by the server
    }
    this.isEnded = true;
  }

  private take(block: string): void {
    for (const line of block.split('\n')) {
      if (line.startsWith('id: ')) this.lastId = line.slice(4);
      if (line.startsWith('data: ')) this.messages.push(JSON.parse(line.slice(6)) as EventMessage);
    }
  }
}
