// Cache coherence: changes are announced before their commit, so that no process serves a value older than the last commit.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRelay } from '../pubsub/relay.js';
import { type CoherenceMessage, partsOf, readMessage } from './coherence-messages.js';

/** Interval between the heartbeats of a process. */
const HEARTBEAT_MS = 300;
/** Duration of the lease to serve from memory, from the sending of a heartbeat that the process received back. */
const LEASE_MS = 1_200;
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

interface Member {
  heardAt: number;
  report: unknown;
}

/** An announcement that waits until every other process has acknowledged it or has lost its lease. */
interface Announcement {
  /** Undefined until our own announcement has come back: from then on all possible lease holders are known. */
  missing: Set<string> | undefined;
  echoed(): void;
  heard(): void;
  /** The number of values that the others dropped. */
  counted: { removed: number };
}

/** One relay: its members, and the end of our lease on it. Times are those of performance.now(). */
class Line {
  readonly members = new Map<string, Member>();
  readonly announcements = new Map<string, Announcement>();
  leaseUntil = 0;
  echoedAt = performance.now();
  /** A process that sent its heartbeat before this time may hold a lease that we do not know of. */
  listeningSince = Infinity;
  /** Set while a connection is new: identifies it. `joined`: we know all running changes. */
  joining: object | undefined;
  joined = false;
  wasJoined = false;

  constructor(
    readonly index: number,
    readonly relay: EventRelay,
  ) {}
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
    this.lines = relays.map((relay, index) => new Line(index, relay));
    for (const line of this.lines)
      line.relay.open({
        message: (text) => this.receive(line, text),
        lost: () => Object.assign(line, { leaseUntil: 0, listeningSince: Infinity, joined: false, joining: undefined }),
      });
    this.timer = setInterval(() => this.beat(), HEARTBEAT_MS).unref();
    this.beat();
  }

  /** True when values in memory may be served. */
  get holdsLease(): boolean {
    if (this.left) return false;
    const now = performance.now();
    for (const line of this.lines) if (!line.joined || line.leaseUntil <= now) return false;
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
    const line = this.lines.at(-1) as Line;
    return line.joined && line.leaseUntil > performance.now();
  }

  /** Returns the last reports of the other live processes. */
  reports(): unknown[] {
    const since = performance.now() - LEASE_MS;
    const [line] = this.lines as [Line];
    return [...line.members].filter(([id, { heardAt }]) => id !== this.id && heardAt > since).map(([, m]) => m.report);
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
    const counted = { removed: 0 };
    const line = this.lines.at(-1) as Line;
    await this.announcePart(line, { is: 'drop', from: this.id, id: randomUUID(), pattern }, null, counted);
    return counted.removed;
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
    const heard = await raced(renewed, RENEWAL_MS);
    this.isDeaf = !heard;
    return heard;
  }

  private beat(): void {
    const now = performance.now();
    for (const line of this.lines) {
      if (now - line.echoedAt > SILENCE_MS) {
        line.echoedAt = now;
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
    return done.every(Boolean);
  }

  private async announcePart(
    line: Line,
    message: CoherenceMessage & { is: 'changing' | 'drop' },
    patience: number | null,
    counted = { removed: 0 },
  ): Promise<boolean> {
    const { id } = message;
    const mine: Announcement = { missing: undefined, echoed: noop, heard: noop, counted };
    const echoed = new Promise<void>((resolve) => (mine.echoed = resolve));
    line.announcements.set(id, mine);
    try {
      const published = line.relay.publish(JSON.stringify(message));
      if (patience === null) await published;
      const carried = await raced(
        published.then(() => echoed),
        patience ?? LEASE_MS,
      );
      if (!carried || !mine.missing) return patience === null;
      const stranger = line.listeningSince + LEASE_MS - performance.now();
      if (stranger > 0 && patience !== null) return false;
      const all = new Promise<void>((resolve) => (mine.heard = resolve));
      if (mine.missing.size === 0) mine.heard();
      const heard = raced(all, patience ?? this.leaseOfLast(line, mine.missing));
      if (stranger > 0) await delay(stranger);
      return (await heard) || patience === null;
    } finally {
      line.announcements.delete(id);
    }
  }

  /** Returns the other processes that may hold a lease. */
  private holders(line: Line): Set<string> {
    const since = performance.now() - LEASE_MS;
    for (const [id, { heardAt }] of line.members) if (heardAt <= since) line.members.delete(id);
    return new Set([...line.members.keys()].filter((id) => id !== this.id));
  }

  private leaseOfLast(line: Line, missing: ReadonlySet<string>): number {
    const last = Math.max(...[...missing].map((id) => line.members.get(id)?.heardAt ?? 0));
    return Math.max(0, last + LEASE_MS - performance.now());
  }

  private receive(line: Line, text: string): void {
    const message = readMessage(text);
    if (!message) return;
    if (message.is === 'here') return this.hear(line, message);
    if (message.is === 'heard') return this.acknowledged(line, message);
    if (message.is === 'gone') {
      line.members.delete(message.from);
      for (const id of line.announcements.keys()) this.count(line, id, message.from);
      return;
    }
    if (message.from === this.id) return this.echo(line, message);
    if (message.is === 'changed') return this.listener.endChange(message.tags, message.id, line.index);
    void this.acknowledge(line, message);
  }

  /** Handles a heartbeat. Our own one renews the lease; all messages published before it have been received by then. */
  private hear(line: Line, { from, sent, report }: CoherenceMessage & { is: 'here' }): void {
    const now = performance.now();
    line.members.set(from, { heardAt: now, report });
    if (from !== this.id) return;
    line.leaseUntil = sent + LEASE_MS;
    line.echoedAt = now;
    line.listeningSince = Math.min(line.listeningSince, now);
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
    const announcement = line.announcements.get(message.id);
    if (!announcement) return;
    line.listeningSince = Math.min(line.listeningSince, performance.now());
    announcement.missing = this.holders(line);
    announcement.echoed();
  }

  private acknowledged(line: Line, { from, to, id, removed, report }: CoherenceMessage & { is: 'heard' }): void {
    const member = line.members.get(from);
    if (member) member.report = report;
    const announcement = to === this.id ? line.announcements.get(id) : undefined;
    if (!announcement) return;
    announcement.counted.removed += removed;
    this.count(line, id, from);
  }

  private count(line: Line, id: string, from: string): void {
    const announcement = line.announcements.get(id);
    if (announcement?.missing?.delete(from) && announcement.missing.size === 0) announcement.heard();
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

/** True when `work` completed within `ms` milliseconds. */
function raced(work: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false);
    const end = (done: boolean) => (): void => {
      clearTimeout(timer);
      resolve(done);
    };
    work.then(end(true), end(false));
  });
}
