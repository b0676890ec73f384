// Sends to a WebSocket, as fast as its client reads: what waits in memory is bounded.
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

const TEXT = { binary: false };

/** Messages of one turn of the event loop leave in one system call. */
export class Outlet {
  /** Since when the client must read; undefined while it is not behind. Milliseconds of `performance.now()`. */
  behindSince: number | undefined;
  private isCorked = false;
  private resume: (() => void) | undefined;
  private readonly flushed = (): void => {
    if (this.resume && this.ws.bufferedAmount <= this.maxBytes / 2) this.proceed();
  };

  constructor(
    private readonly ws: WebSocket,
    private readonly socket: Socket,
    private readonly maxBytes: number,
  ) {
    ws.once('close', () => this.proceed());
  }

  /** Returns false when the client is behind: wait for `drained` before more events are sent. */
  send(message: Buffer | string): boolean {
    if (!this.isCorked) this.cork();
    const isMuch = this.ws.bufferedAmount + message.length > this.maxBytes / 2;
    this.ws.send(message, TEXT, isMuch ? this.flushed : undefined);
    const waiting = this.ws.bufferedAmount;
    if (waiting > 2 * this.maxBytes) this.ws.terminate(); // it sends commands, and never reads the answers
    return waiting <= this.maxBytes;
  }

  /** Resolves when the client has read half of what waits, or the socket is closed. */
  drained(): Promise<void> {
    this.behindSince = performance.now();
    return new Promise((resolve) => (this.resume = resolve));
  }

  private proceed(): void {
    this.behindSince = undefined;
    this.resume?.();
    this.resume = undefined;
  }

  private cork(): void {
    this.isCorked = true;
    this.socket.cork();
    process.nextTick(() => {
      this.isCorked = false;
      this.socket.uncork();
    });
  }
}
