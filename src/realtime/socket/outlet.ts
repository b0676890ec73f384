// Sends to a WebSocket, as fast as its client reads: what waits in memory is bounded.
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { EventMessage } from '../messages.js';

const TEXT = { binary: false };
/** Compression of a small message takes eight times as long as sending it. */
export const MIN_COMPRESSED = 1_024;

/** Messages of one turn of the event loop leave in one system call. */
export class Outlet {
  /** Since when the client must read; undefined while it is not behind. Milliseconds of `performance.now()`. */
  behindSince: number | undefined;
  private isCorked = false;
  /** Messages in the compressor of `ws`, which later ones must not overtake. */
  private compressing = 0;
  private resume: (() => void) | undefined;
  private readonly compresses: boolean;
  private readonly flushed = (): void => {
    if (this.resume && this.ws.bufferedAmount <= this.maxBytes / 2) this.proceed();
  };
  private readonly compressed = (): void => {
    this.compressing--;
    this.flushed();
  };

  constructor(
    private readonly ws: WebSocket,
    private readonly socket: Socket,
    private readonly maxBytes: number,
  ) {
    this.compresses = ws.extensions !== '';
    ws.once('close', () => this.proceed());
  }

  /** Returns false when the client is behind: wait for `drained` before more events are sent. */
  sendEvent({ json, frame }: Pick<EventMessage, 'json' | 'frame'>): boolean {
    if (this.compressing > 0 || (this.compresses && json.length >= MIN_COMPRESSED)) return this.send(json);
    if (!this.isCorked) this.cork();
    // A finished frame: `ws` would make its header for each receiver.
    if (this.ws.readyState === this.ws.OPEN)
      this.socket.write(frame, this.isMuch(frame.length) ? this.flushed : undefined);
    return this.isBelowLimit();
  }

  /** Returns the same as `sendEvent`. */
  send(message: Buffer | string): boolean {
    if (!this.isCorked) this.cork();
    if (this.compresses) {
      this.compressing++;
      this.ws.send(message, TEXT, this.compressed);
    } else this.ws.send(message, TEXT, this.isMuch(message.length) ? this.flushed : undefined);
    return this.isBelowLimit();
  }

  /** Resolves when the client has read half of what waits, or the socket is closed. */
  drained(): Promise<void> {
    this.behindSince = performance.now();
    return new Promise((resolve) => (this.resume = resolve));
  }

  private isMuch(more: number): boolean {
    return this.ws.bufferedAmount + more > this.maxBytes / 2;
  }

  private isBelowLimit(): boolean {
    const waiting = this.ws.bufferedAmount;
    if (waiting > 2 * this.maxBytes) this.ws.terminate(); // it sends commands, and never reads the answers
    return waiting <= this.maxBytes;
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
