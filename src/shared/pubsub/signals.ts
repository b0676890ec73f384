// A word from one process to all others of the deployment, for what may get lost: wake-ups, cancels, hints to look again.
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ReadLanes } from '../database/read-lanes.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { PostgresRelay } from './postgres.relay.js';

type Listener = (body: string) => void;

/** Beside the cache's channel: its announcements have to be counted, ours are many and small. */
const CHANNEL = 'holdfast_signals';
/** How long a start waits for the connection; later it counts as made again. */
const FIRST_CONNECTION_MS = 1_000;
/** Of topic and body together, in UTF-8: what every relay carries. */
const MOST_BYTES = 7_000;

/**
 * Nothing is kept for a process that is away, and a message may come twice: what must not get lost belongs into a row,
 * and `onReconnect` is the moment to look at it.
 */
@Injectable()
export class Signals implements OnModuleInit, OnApplicationShutdown {
  private readonly listeners = new Map<string, Listener[]>();
  private readonly reconnected: Array<() => void> = [];
  private readonly relay: PostgresRelay;
  private connected: (() => void) | undefined;

  constructor(
    dataSource: DataSource,
    lanes: ReadLanes,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.relay = new PostgresRelay(dataSource, lanes, CHANNEL, () => this.listening());
  }

  /** Every process's messages on this topic, our own included. */
  on(topic: string, listener: Listener): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), listener]);
  }

  /** Called each time the connection is made again: messages may be missing from before. */
  onReconnect(listener: () => void): void {
    this.reconnected.push(listener);
  }

  /** `body`: any text without NUL, at most about 6,900 bytes of UTF-8. Rejects when it could not be published. */
  async send(topic: string, body: string): Promise<void> {
    const text = `${topic}\n${body}`;
    if (Buffer.byteLength(text) > MOST_BYTES)
      throw new RangeError(
        `A signal takes ${MOST_BYTES} bytes. Send an id, and let the others read what it stands for.`,
      );
    await this.relay.publish(text);
  }

  /** Whoever starts after us hears everything from its start on, unless the database is slow. */
  async onModuleInit(): Promise<void> {
    const connected = new Promise<void>((resolve) => (this.connected = resolve));
    this.relay.open({ message: (text) => this.receive(text), lost: () => undefined });
    await Promise.race([connected, delay(FIRST_CONNECTION_MS, undefined, { ref: false })]);
    this.connected = undefined;
  }

  /** A global module's, so after the rooms have said their last words. */
  async onApplicationShutdown(): Promise<void> {
    await this.relay.close();
  }

  private listening(): void {
    if (this.connected) return this.connected();
    for (const listener of this.reconnected) this.call(listener);
  }

  private receive(text: string): void {
    const end = text.indexOf('\n');
    for (const listener of this.listeners.get(text.slice(0, end)) ?? []) this.call(() => listener(text.slice(end + 1)));
  }

  /** A fault in one listener is not the others'; and thrown on from here, one message would end all processes. */
  private call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.logger.error({ err: error }, 'A signal could not be handled');
    }
  }
}
