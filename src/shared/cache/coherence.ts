// Cache coherence: changes are announced before their commit, so that no process serves a value older than the last commit.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRelay } from '../pubsub/relay.js';
import { succeedsWithin } from '../libs/time-limit.js';
import { Announcements } from './announcements.js';
import { type CoherenceMessage, partsOf, readMessage } from './coherence-messages.js';
import { LEASE_MS, Membership } from './membership.js';

/** Interval between the heartbeats of a process. */
const HEARTBEAT_MS = 300;
/** How long an announcement waits on a relay before the next relay is tried. */
const PATIENCE_MS = 100;
/** How long a reader waits for the renewal of a lease that ended because the process was busy. */
const RENEWAL_MS = 100;
/** After this time without receiving its own messages, a process opens a new connection. */
const SILENCE_MS = 3_000;

/** Handles the messages of other processes; each is acknowledged after its handling is complete. */
export interface CoherenceListener {
  /** Another process is about to change these tags; it announced this over the relay with this index. */
  beginChange(tags: readonly string[], id: string, relay: number): Promise<void> | void;
  endChange(tags: readonly string[], id: string, relay: number): void;
  /** Messages arrive for the first time, or `again` after a gap: cached values may be old. `isLast`: on the last relay. */
  mistrust(again: boolean, isLast: boolean): void;
  /** Deletes the values that match the glob and returns their number. */
  drop(pattern: string): number;
  /** Returns the report about this process for the others. */
  report(): unknown;
}

/** One relay, and what this process knows from it. */
class Line {
  readonly membership: Membership;
  readonly announcements = new Announcements();
  /** Set while a connection is new: identifies it. `joined`: we know all running changes. */
  joining: object | undefined;
  joined = false;
  wasJoined = false;

  constructor(
    readonly index: number,
    readonly relay: EventRelay,
    self: string,
  ) {
    this.membership = new Membership(self);
  }

  /** True when no announcement can have been missed. */
  get isCurrent(): boolean {
    return this.joined && this.membership.holdsLease;
  }

  cutOff(): void {
    this.membership.cutOff();
    this.joined = false;
    this.joining = undefined;
  }
}

/**
 * The protocol (leases as in Gray and Cheriton, 1989):
 *
 * 1. A process serves from its memory only while it holds a lease on every relay. It gets the lease when it receives its own
 *    heartbeat; the lease lasts LEASE_MS from the moment of sending. A relay delivers in one order, so the process has then
 *    received every announcement that was published before that heartbeat.
 * 2. A process that changes data announces the tags before the commit. It waits until all others have acknowledged that they
 *    dropped the tags, or until LEASE_MS after their last heartbeat. When its own announcement comes back, it has received
 *    every heartbeat that was published before it; a later heartbeat comes back to its sender after the announcement. A
 *    process that has listened for less than LEASE_MS does not know all others, and waits until it has.
 * 3. Between the announcement and the end of the change no process caches values of these tags. A process that joins, or
 *    was cut off, first announces itself; the others repeat their running changes before they acknowledge it.
 *
 * So at the commit no process can serve the old value. This holds as long as clocks run at about the same speed. A process
 * that can publish but does not receive waits LEASE_MS: every process that still has a lease then has received a heartbeat
 * after the announcement. A process that cannot publish must not change anything.
 */
export class Coherence {
  readonly id = randomUUID();
  private readonly lines: Line[];
  private readonly underWay = new Map<string, readonly string[]>();
  private readonly timer: NodeJS.Timeout;
  private left = false;
  private renewing: Promise<boolean> | undefined;
  private renewed = noop;
  private isDeaf = false;

  /** `relays`: the fastest first; the last one must be available whenever a change can be committed. */
  constructor(
    relays: readonly EventRelay[],
    private readonly listener: CoherenceListener,
  ) {
    this.lines = relays.map((relay, index) => new Line(index, relay, this.id));
    for (const line of this.lines)
      line.relay.open({ message: (text) => this.receive(line, text), lost: () => line.cutOff() });
    this.timer = setInterval(() => this.beat(), HEARTBEAT_MS).unref();
    this.beat();
  }

  /** True when values in memory may be served. */
  get holdsLease(): boolean {
    if (this.left) return false;
    for (const line of this.lines) if (!line.isCurrent) return false;
    return true;
  }

  /**
   * Waits for a new lease when it ended only because this process was too busy to receive its heartbeat; the values in memory
   * are then still valid. Resolves to false when the process was cut off or no relay answers.
   */
  renew(): Promise<boolean> {
    if (this.isDeaf) return Promise.resolve(false); // a caller has already waited in vain since our last heartbeat
    return (this.renewing ??= this.hearOurselves().finally(() => (this.renewing = undefined)));
  }

  /** True when we receive announcements over the last relay, the only one of some processes. */
  get listens(): boolean {
    return (this.lines.at(-1) as Line).isCurrent;
  }

  /** Returns the last reports of the other live processes. */
  reports(): unknown[] {
    return (this.lines as [Line])[0].membership.reports();
  }

  /**
   * Resolves when no other process serves values of these tags any more. `usable(relay)` returns false for a relay that is not
   * worth a try. Returns the relay that carried the announcement, for `conclude`. Rejects when no relay could publish it.
   */
  async announce(tags: readonly string[], id: string, usable: (relay: number) => boolean): Promise<number> {
    const last = this.lines.length - 1;
    this.underWay.set(id, tags);
    for (const line of this.lines) {
      if (line.index < last && !usable(line.index)) continue;
      if (await this.announceOn(line, tags, id, line.index === last ? null : PATIENCE_MS)) return line.index;
    }
    return last;
  }

  /** Publishes the end of the change on every relay that may have carried its announcement. */
  conclude(tags: readonly string[], id: string, relay: number): void {
    this.underWay.delete(id);
    for (const line of this.lines.slice(0, relay + 1))
      for (const part of partsOf(tags, id)) this.publish(line, { is: 'changed', from: this.id, ...part });
  }

  /** Makes every other process drop the matching values. Returns their number; rejects when it cannot be published. */
  async drop(pattern: string): Promise<number> {
    const line = this.lines.at(-1) as Line;
    const { removed } = await this.announcePart(line, { is: 'drop', from: this.id, id: randomUUID(), pattern }, null);
    return removed;
  }

  /** From now on nothing is served from memory and no process waits for us; our own changes are still announced. */
  async leave(): Promise<void> {
    clearInterval(this.timer);
    this.left = true;
    const goodbye = JSON.stringify({ is: 'gone', from: this.id } satisfies CoherenceMessage);
    await Promise.allSettled(this.lines.map((line) => line.relay.publish(goodbye)));
  }

  async close(): Promise<void> {
    await Promise.all(this.lines.map((line) => line.relay.close()));
  }

  private async hearOurselves(): Promise<boolean> {
    if (this.left || !this.lines.every(({ joined }) => joined)) return false;
    const renewed = new Promise<void>((resolve) => (this.renewed = resolve));
    this.beat();
    const heard = await succeedsWithin(RENEWAL_MS, renewed);
    this.isDeaf = !heard;
    return heard;
  }

  private beat(): void {
    const now = performance.now();
    for (const line of this.lines) {
      if (now - line.membership.echoedAt > SILENCE_MS) {
        line.membership.echoedAt = now;
        line.relay.reconnect();
      }
      this.publish(line, { is: 'here', from: this.id, sent: now, report: this.listener.report() });
    }
  }

  private publish(line: Line, message: CoherenceMessage): void {
    line.relay.publish(JSON.stringify(message)).catch(() => undefined); // a failure shows as a missing echo
  }

  /** False when the relay did not carry it in time. Without `patience` it waits without a limit, or rejects. */
  private async announceOn(line: Line, tags: readonly string[], id: string, patience: number | null): Promise<boolean> {
    const messages = partsOf(tags, id).map((part) => ({ is: 'changing' as const, from: this.id, ...part }));
    const done = await Promise.all(messages.map((message) => this.announcePart(line, message, patience)));
    return done.every(({ isDone }) => isDone);
  }

  private async announcePart(
    line: Line,
    message: CoherenceMessage & { is: 'changing' | 'drop' },
    patience: number | null,
  ): Promise<{ isDone: boolean; removed: number }> {
    const announcement = line.announcements.begin(message.id);
    const result = (isDone: boolean) => ({ isDone, removed: announcement.removed });
    try {
      const published = line.relay.publish(JSON.stringify(message));
      if (patience === null) await published;
      const carried = await succeedsWithin(
        patience ?? LEASE_MS,
        published.then(() => announcement.echoed),
      );
      const { missing } = announcement;
      if (!carried || !missing) return result(patience === null);
      const unknownForMs = line.membership.unknownForMs;
      if (unknownForMs > 0 && patience !== null) return result(false);
      const limit = patience ?? line.membership.leaseOfLast(missing);
      const acknowledged = await succeedsWithin(limit, announcement.acknowledged);
      if (unknownForMs > 0) await delay(unknownForMs);
      return result(acknowledged || patience === null);
    } finally {
      line.announcements.end(message.id);
    }
  }

  private receive(line: Line, text: string): void {
    const message = readMessage(text);
    if (!message) return;
    if (message.is === 'here') return this.heartbeat(line, message);
    if (message.is === 'heard') return this.acknowledged(line, message);
    if (message.is === 'gone') {
      line.membership.remove(message.from);
      return line.announcements.settleAll(message.from);
    }
    if (message.from === this.id) return this.echo(line, message);
    if (message.is === 'changed') return this.listener.endChange(message.tags, message.id, line.index);
    void this.acknowledge(line, message);
  }

  /** Our own heartbeat renews the lease; all messages published before it have been received by then. */
  private heartbeat(line: Line, { from, sent, report }: CoherenceMessage & { is: 'here' }): void {
    line.membership.heartbeat(from, sent, report);
    if (from !== this.id) return;
    this.isDeaf = false;
    if (this.holdsLease) this.renewed();
    if (!line.joined && !line.joining) void this.join(line, (line.joining = {}));
  }

  private async join(line: Line, connection: object): Promise<void> {
    const known = await this.announceOn(line, [], randomUUID(), null).catch(() => false);
    if (line.joining !== connection) return; // the connection was lost again
    this.listener.mistrust(line.wasJoined, line.index === this.lines.length - 1);
    Object.assign(line, { joined: known, wasJoined: true, joining: undefined });
  }

  private echo(line: Line, message: CoherenceMessage & { id: string }): void {
    const announcement = line.announcements.find(message.id);
    if (!announcement) return;
    line.membership.listening();
    announcement.comeBack(line.membership.holders());
  }

  private acknowledged(line: Line, { from, to, id, removed, report }: CoherenceMessage & { is: 'heard' }): void {
    line.membership.updateReport(from, report);
    const announcement = to === this.id ? line.announcements.find(id) : undefined;
    if (!announcement) return;
    announcement.removed += removed;
    announcement.settle(from);
  }

  private async acknowledge(line: Line, message: CoherenceMessage & { is: 'changing' | 'drop' }): Promise<void> {
    let removed = 0;
    if (message.is === 'drop') removed = this.listener.drop(message.pattern);
    else if (message.tags.length > 0) await this.listener.beginChange(message.tags, message.id, line.index);
    else
      for (const [change, changing] of this.underWay)
        for (const part of partsOf(changing, change)) this.publish(line, { is: 'changing', from: this.id, ...part });
    const { from: to, id } = message;
    this.publish(line, { is: 'heard', from: this.id, to, id, removed, report: this.listener.report() });
  }
}

const noop = (): void => undefined;
