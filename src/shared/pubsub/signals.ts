// Signals from one process to all others of the deployment, for messages that may be lost: wake-ups, cancels, refresh hints.
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { succeedsWithin } from '../libs/time-limit.js';
import { PipelinedConnections } from '../database/pipelined-connections.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { PostgresRelay } from './postgres.relay.js';

type Listener = (body: string) => void;

/** Separate from the cache's channel, whose announcements must be counted; signals are many and small. */
const CHANNEL = 'holdfast_signals';
/** How long the start waits for the connection; a later connection counts as a reconnect. */
const FIRST_CONNECTION_MS = 1_000;
/** Topic and body together, in UTF-8: the limit of every relay. */
const MAX_BYTES = 7_000;

/**
 * Signals are not kept for a disconnected process, and one may arrive twice. Store data that must not be lost in a row, and
 * read it again in `onReconnect`.
 */
@Injectable()
export class Signals implements OnModuleInit, OnApplicationShutdown {
  private readonly listeners = new Map<string, Listener[]>();
  private readonly reconnected: Array<() => void> = [];
  private readonly relay: PostgresRelay;
  private connected: (() => void) | undefined;

  constructor(
    dataSource: DataSource,
    pipelined: PipelinedConnections,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.relay = new PostgresRelay(dataSource, pipelined, CHANNEL, () => this.listening());
  }

  /** Receives the messages of all processes on this topic, including our own. */
  on(topic: string, listener: Listener): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), listener]);
  }

  /** Calls `listener` after each reconnect: earlier messages may be missing. */
  onReconnect(listener: () => void): void {
    this.reconnected.push(listener);
  }

  /** `body`: any text without NUL, at most about 6,900 bytes of UTF-8. Rejects when it could not be published. */
  async send(topic: string, body: string): Promise<void> {
    const text = `${topic}\n${body}`;
    if (Buffer.byteLength(text) > MAX_BYTES)
      throw new RangeError(
        `A signal may have at most ${MAX_BYTES} bytes. Send an id, and let the receivers read the data.`,
      );
    await this.relay.publish(text);
  }

  /** Modules that start after this one receive all signals from their start on, unless the database is slow. */
  async onModuleInit(): Promise<void> {
    const connected = new Promise<void>((resolve) => (this.connected = resolve));
    this.relay.open({ message: (text) => this.receive(text), lost: () => undefined });
    await succeedsWithin(FIRST_CONNECTION_MS, connected);
    this.connected = undefined;
  }

  /** Runs after the feature modules have sent their last signals, because this module is global. */
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

  /** Catches a listener's error: it must not affect other listeners, and one message could otherwise end all processes. */
  private call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.logger.error({ err: error }, 'Failed to handle a signal');
    }
  }
}
