// Why no process ever serves an older value than one that was committed: changes are announced before their commit.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRelay } from '../pubsub/relay.js';
import { type CoherenceMessage, partsOf, readMessage } from './coherence-messages.js';

/** How often each process says that it is there. */
const HEARTBEAT_MS = 300;
/** How long after saying so it may serve from its memory, if it heard itself. */
const LEASE_MS = 1_200;
/** How long an announcement waits on a relay before it tries the next one. */
const PATIENCE_MS = 100;
/** How long a reader waits for a lease that ended because the process was busy. */
const RENEWAL_MS = 100;
/** Without hearing itself for so long, a process tries a new connection. */
const SILENCE_MS = 3_000;

/** What other processes tell, and what of it has to be done before it is acknowledged. */
export interface CoherenceListener {
  /** Others are about to change these tags, announced over the relay with this index. */
  beginChange(tags: readonly string[], id: string, relay: number): Promise<void> | void;
  endChange(tags: readonly string[], id: string, relay: number): void;
  /** We begin to hear, or again: what is kept from before may be old. `isLast`: also what others could tell us only here. */
  mistrust(again: boolean, isLast: boolean): void;
  /** Forgets what matches the glob; returns how many values that were. */
  drop(pattern: string): number;
  /** What the other processes should know of this one. */
  report(): unknown;
}

interface Member {
  heardAt: number;
  report: unknown;
}

/** An announcement that waits until every other process has acknowledged it, or has lost its lease. */
interface Announcement {
  /** Undefined until our own announcement came back: from then on all who could have a lease are known. */
  missing: Set<string> | undefined;
  echoed(): void;
  heard(): void;
  /** How many values the others dropped. */
  counted: { removed: number };
}

/** One relay: who is there, and until when we are surely heard of. Times are those of performance.now(). */
class Line {
  readonly members = new Map<string, Member>();
  readonly announcements = new Map<string, Announcement>();
  leaseUntil = 0;
  echoedAt = performance.now();
  /** Who published before we listened may hold a lease that we do not know of. */
  listeningSince = Infinity;
  /** Set when the connection is new: which one it is, and whether we know of every change that is under way. */
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
 * 1. A process serves from its memory only while it holds a lease on every relay. It gets one by hearing its own
 *    heartbeat, LEASE_MS from the moment it was sent. A relay delivers in one order, so it has then heard every
 *    announcement that was published before that heartbeat.
 * 2. Whoever changes something announces its tags before the commit and waits until all others have acknowledged that
 *    they dropped them, or until LEASE_MS after their last heartbeat. When its own announcement comes back it has heard
 *    every heartbeat that was published before it; a later one comes back to its sender after the announcement. Who has
 *    listened for less than LEASE_MS does not know everybody, and waits until it has.
 * 3. Between the announcement and the end of the change nobody keeps anything of these tags. Who joins, or was cut off,
 *    first announces itself: the others repeat what they have under way before they acknowledge it.
 *
 * So at the commit nobody can serve the value before it. Holds as long as clocks run at about the same speed. Who can
 * publish and does not hear waits LEASE_MS: whoever has a lease then has heard a heartbeat after the announcement. Who
 * can't even publish may not change anything.
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

  /** `relays`: the fastest first; the last one is there whenever a change can be committed. */
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

  /** Whether what is in memory may be served. */
  get holdsLease(): boolean {
    if (this.left) return false;
    const now = performance.now();
    for (const line of this.lines) if (!line.joined || line.leaseUntil <= now) return false;
    return true;
  }

  /**
   * Waits for a lease, if it ended only because this process was too busy to hear itself: what it holds is still good
   * then. False: it was cut off, or no relay answers.
   */
  renew(): Promise<boolean> {
    if (this.isDeaf) return Promise.resolve(false); // somebody has waited in vain since we last heard ourselves
    return (this.renewing ??= this.hearOurselves().finally(() => (this.renewing = undefined)));
  }

  /** Whether announcements over the last relay reach us: those of whoever has no other one. */
  get listens(): boolean {
    const line = this.lines.at(-1) as Line;
    return line.joined && line.leaseUntil > performance.now();
  }

  /** What the other processes reported last, those that were heard of lately. */
  reports(): unknown[] {
    const since = performance.now() - LEASE_MS;
    const [line] = this.lines as [Line];
    return [...line.members].filter(([id, { heardAt }]) => id !== this.id && heardAt > since).map(([, m]) => m.report);
  }

  /**
   * Resolves when no other process serves anything of these tags any more. `usable(relay)`: whether it is worth trying.
   * Returns the relay that carried it; `conclude` goes the same way. Rejects when it could not be published at all.
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

  /** Tells that the change is over, on every relay that may have carried its announcement. */
  conclude(tags: readonly string[], id: string, relay: number): void {
    this.underWay.delete(id);
    for (const line of this.lines.slice(0, relay + 1))
      for (const part of partsOf(tags, id)) this.publish(line, { is: 'changed', from: this.id, ...part });
  }

  /** Has every other process drop what matches. Returns how many values that were; rejects when it can't be told. */
  async drop(pattern: string): Promise<number> {
    const counted = { removed: 0 };
    const line = this.lines.at(-1) as Line;
    await this.announcePart(line, { is: 'drop', from: this.id, id: randomUUID(), pattern }, null, counted);
    return counted.removed;
  }

  /** From here on nothing is served from memory, and nobody waits for us; our own changes are still announced. */
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
    line.relay.publish(JSON.stringify(message)).catch(() => undefined); // whoever needs to know looks for the echo
  }

  /** False when the relay did not carry it in time. Without `patience` it waits as long as it takes, or rejects. */
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

  /** Other processes that may hold a lease. */
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

  /** Our own heartbeat is the lease. After a pause in which nobody waited for us, all that we missed was heard before it. */
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
    if (line.joining !== connection) return; // lost again meanwhile
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

/** Whether `work` was done within `ms`. */
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
