// One WebSocket of a client: its commands, its subscription, and how it ends.
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import type { Actor } from '../../common/access/permissions.js';
import type { Clock } from '../../shared/libs/clock.js';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import type { Client, EndReason } from '../clients/clients.js';
import type { Feeds } from '../feeds/feeds.js';
import type { Topic } from '../messages.js';
import { CommandError, parseCommand, type TopicCommand } from './commands.js';
import { MessageRate } from './message-rate.js';
import { Outlet } from './outlet.js';
import { Subscription } from './subscription.js';

/** Close codes; those below 4000 are of RFC 6455 and its registry. */
export const CLOSE = {
  restart: 1012,
  policy: 1008,
  tooLarge: 1009,
  tryAgain: 1013,
  token: 4401,
  session: 4403,
  slow: 4408,
  tooMany: 4429,
} as const;

const ENDS: Record<EndReason, [code: number, reason: string]> = {
  'token expired': [CLOSE.token, 'AUTH_TOKEN_INVALID'],
  'session ended': [CLOSE.session, 'SESSION_ENDED'],
  restart: [CLOSE.restart, 'RESTART'],
};

/** Messages and pings that a client may send in a second. */
const MAX_MESSAGES = 20;
/** Heartbeats without an answer, after which the client is gone. */
const MAX_MISSED = 2;

export interface ConnectionParts {
  ws: WebSocket;
  socket: Socket;
  actor: Actor;
  claims: AccessClaims;
  feeds: Feeds;
  clock: Clock;
  maxUnread: number;
}

export class Connection implements Client {
  readonly actor: Actor;
  readonly claims: AccessClaims;
  readonly closed: Promise<void>;
  private readonly ws: WebSocket;
  private readonly feeds: Feeds;
  private readonly clock: Clock;
  private readonly outlet: Outlet;
  private readonly rate = new MessageRate(MAX_MESSAGES);
  private readonly commands: TopicCommand[] = [];
  private subscription: Subscription | undefined;
  private isRunning = false;
  private isWoken = false;
  private missed = 0;

  constructor({ ws, socket, actor, claims, feeds, clock, maxUnread }: ConnectionParts) {
    this.ws = ws;
    this.actor = actor;
    this.claims = claims;
    this.feeds = feeds;
    this.clock = clock;
    this.outlet = new Outlet(ws, socket, maxUnread);
    ws.on('message', (data: RawData, isBinary: boolean) => this.receive(data as Buffer, isBinary));
    ws.on('ping', () => this.count());
    ws.on('pong', () => (this.missed = 0));
    ws.on('error', () => undefined); // `close` follows
    this.closed = new Promise((resolve) => {
      ws.once('close', () => (this.subscription?.end(), resolve()));
    });
  }

  get isOpen(): boolean {
    return this.ws.readyState === this.ws.OPEN;
  }

  end(reason: EndReason): void {
    this.close(...ENDS[reason]);
  }

  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.subscription?.end();
    this.ws.close(code, reason);
  }

  /** Call it periodically. */
  beat(): void {
    if (this.missed++ >= MAX_MISSED) this.ws.terminate();
    else if (this.isOpen) this.ws.ping();
  }

  /** Call it periodically: closes the socket of a client that has not read for `maxMs`, with its cursor as the reason. */
  endIfSlow(maxMs: number): void {
    const since = this.outlet.behindSince;
    if (since !== undefined && performance.now() - since > maxMs)
      this.close(CLOSE.slow, this.subscription?.cursor ?? '');
  }

  /** Sends what is not in the log to a client that is not behind. */
  sendPassing(topic: Topic, message: Buffer): void {
    if (this.isOpen && this.subscription?.topics.has(topic) && this.outlet.behindSince === undefined)
      this.outlet.send(message);
  }

  private receive(data: Buffer, isBinary: boolean): void {
    this.missed = 0;
    if (!this.count()) return;
    try {
      const command = parseCommand(data, isBinary);
      if (command.name === 'ping') return this.send({ type: 'PONG', timestamp: new Date(this.clock.now()) });
      this.commands.push(command);
      this.wake();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.refuse(error);
      if (error.code === 'MESSAGE_TOO_LARGE') this.close(CLOSE.tooLarge, error.code);
    }
  }

  /** Returns false for a client that sends too much; its socket is closed. */
  private count(): boolean {
    if (!this.isOpen) return false;
    if (this.rate.take(performance.now())) return true;
    const error = new CommandError('TOO_MANY_MESSAGES', `Send at most ${MAX_MESSAGES} messages in a second.`);
    this.refuse(error);
    this.close(CLOSE.policy, error.code);
    return false;
  }

  private wake(): void {
    this.isWoken = true;
    if (!this.isRunning) void this.run();
  }

  /** Never rejects. Commands and events of a client are sent by one loop, so they cannot overtake each other. */
  private async run(): Promise<void> {
    this.isRunning = true;
    try {
      while (this.isWoken && this.isOpen) {
        this.isWoken = this.commands.length > 1;
        const command = this.commands.shift();
        if (command) await this.execute(command);
        await this.subscription?.sendNew();
      }
    } catch {
      this.close(CLOSE.tryAgain, 'UNAVAILABLE'); // the log cannot be read; the client comes again with its cursor
    }
    this.isRunning = false;
  }

  private async execute(command: TopicCommand): Promise<void> {
    const { topics } = command;
    if (command.name === 'unsubscribe') {
      for (const topic of topics) this.subscription?.topics.delete(topic);
      if (this.subscription?.topics.size === 0) this.unsubscribe();
      return this.send({ type: 'UNSUBSCRIBED', topics });
    }
    this.subscription ??= await this.subscribe();
    await this.subscription.add(topics, command.since);
    this.send({ type: 'SUBSCRIBED', topics, cursor: this.subscription.cursor });
  }

  private async subscribe(): Promise<Subscription> {
    const { feed, leave } = await this.feeds.join(this.actor.key, () => this.wake());
    const subscription = new Subscription(feed, this.outlet, leave);
    if (!this.isOpen) subscription.end();
    return subscription;
  }

  private unsubscribe(): void {
    this.subscription?.end();
    this.subscription = undefined;
  }

  private refuse({ code, message }: CommandError): void {
    this.send({ type: 'ERROR', code, message });
  }

  private send(message: object): void {
    if (this.isOpen) this.outlet.send(JSON.stringify(message));
  }
}
