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
const ANNOUNCE_MS = 100;
/** How long a reader waits for the renewal of a lease that ended because the process was busy. */
const RENEWAL_MS = 100;
/** After this time without receiving its own messages, a process opens a new connection. */
const MAX_SILENCE_MS = 3_000;

/** Handles the messages of other processes; each is acknowledged after its handling is complete. */
export interface CoherenceListener {
  /** Another process is about to change these tags; it announced this over the relay with this index. */
  beginChange(tags: readonly string[], id: string, relay: number): Promise<void> | void;
  endChange(tags: readonly string[], id: string, relay: number): void;
  /** Messages arrive for the first time, or (`isRejoin`) again after a gap: cached values may be old. `isLast`: on the last relay. */
  distrust(isRejoin: boolean, isLast: boolean): void;
  /** Deletes the values that match the glob and returns their number. */
  drop(pattern: string): number;
  /** Returns the report about this process for the others. */
  report(): unknown;
}

/** One relay, and what this process knows from it. */
class RelayState {
  readonly membership: Membership;
  readonly announcements = new Announcements();
  /** Set while a connection is new: identifies it. `joined`: we know all running changes. */
  joiningConnection: object | undefined;
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
    this.joiningConnection = undefined;
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
  private readonly relayStates: RelayState[];
  private readonly runningChanges = new Map<string, readonly string[]>();
  private readonly timer: NodeJS.Timeout;
  private hasLeft = false;
  private renewing: Promise<boolean> | undefined;
  private renewed = noop;
  private isEchoMissing = false;

  /** `relays`: the fastest first; the last one must be available whenever a change can be committed. */
  constructor(
    relays: readonly EventRelay[],
    private readonly listener: CoherenceListener,
  ) {
    this.relayStates = relays.map((relay, index) => new RelayState(index, relay, this.id));
    for (const state of this.relayStates)
      state.relay.open({ message: (text) => this.receive(state, text), lost: () => state.cutOff() });
    this.timer = setInterval(() => this.beat(), HEARTBEAT_MS).unref();
    this.beat();
  }

  /** True when values in memory may be served. */
  get holdsLease(): boolean {
    if (this.hasLeft) return false;
    for (const state of this.relayStates) if (!state.isCurrent) return false;
    return true;
  }

  /**
   * Waits for a new lease when it ended only because this process was too busy to receive its heartbeat; the values in memory
   * are then still valid. Resolves to false when the process was cut off or no relay answers.
   */
  renew(): Promise<boolean> {
    if (this.isEchoMissing) return Promise.resolve(false); // a caller has already waited in vain since our last heartbeat
    return (this.renewing ??= this.receiveOwnHeartbeat().finally(() => (this.renewing = undefined)));
  }

  /** True when we receive announcements over the last relay, the only one of some processes. */
  get isListening(): boolean {
    return (this.relayStates.at(-1) as RelayState).isCurrent;
  }

  /** Returns the last reports of the other live processes. */
  reports(): unknown[] {
    return (this.relayStates as [RelayState])[0].membership.reports();
  }

  /**
   * Resolves when no other process serves values of these tags any more. `usable(relay)` returns false for a relay that is not
   * worth a try. Returns the relay that carried the announcement, for `publishEnd`. Rejects when no relay could publish it.
   */
  async announce(tags: readonly string[], id: string, usable: (relay: number) => boolean): Promise<number> {
    const last = this.relayStates.length - 1;
    this.runningChanges.set(id, tags);
    for (const state of this.relayStates) {
      if (state.index < last && !usable(state.index)) continue;
      if (await this.announceOn(state, tags, id, state.index === last ? null : ANNOUNCE_MS)) return state.index;
    }
    return last;
  }

  /** Publishes the end of the change on every relay that may have carried its announcement. */
  publishEnd(tags: readonly string[], id: string, relay: number): void {
    this.runningChanges.delete(id);
    for (const state of this.relayStates.slice(0, relay + 1))
      for (const part of partsOf(tags, id)) this.publish(state, { is: 'changed', from: this.id, ...part });
  }

  /** Makes every other process drop the matching values. Returns their number; rejects when it cannot be published. */
  async drop(pattern: string): Promise<number> {
    const state = this.relayStates.at(-1) as RelayState;
    const { removed } = await this.announcePart(state, { is: 'drop', from: this.id, id: randomUUID(), pattern }, null);
    return removed;
  }

  /** From now on nothing is served from memory and no process waits for us; our own changes are still announced. */
  async leave(): Promise<void> {
    clearInterval(this.timer);
    this.hasLeft = true;
    const farewell = JSON.stringify({ is: 'gone', from: this.id } satisfies CoherenceMessage);
    await Promise.allSettled(this.relayStates.map((state) => state.relay.publish(farewell)));
  }

  async close(): Promise<void> {
    await Promise.all(this.relayStates.map((state) => state.relay.close()));
  }

  private async receiveOwnHeartbeat(): Promise<boolean> {
    if (this.hasLeft || !this.relayStates.every(({ joined }) => joined)) return false;
    const renewed = new Promise<void>((resolve) => (this.renewed = resolve));
    this.beat();
    const received = await succeedsWithin(RENEWAL_MS, renewed);
    this.isEchoMissing = !received;
    return received;
  }

  private beat(): void {
    const now = performance.now();
    for (const state of this.relayStates) {
      if (now - state.membership.echoedAt > MAX_SILENCE_MS) {
        state.membership.echoedAt = now;
        state.relay.reconnect();
      }
      this.publish(state, { is: 'here', from: this.id, sent: now, report: this.listener.report() });
    }
  }

  private publish(state: RelayState, message: CoherenceMessage): void {
    state.relay.publish(JSON.stringify(message)).catch(() => undefined); // a failure shows as a missing echo
  }

  /** False when the relay did not carry it in time. Without `limitMs` it waits without a limit, or rejects. */
  private async announceOn(
    state: RelayState,
    tags: readonly string[],
    id: string,
    limitMs: number | null,
  ): Promise<boolean> {
    const messages = partsOf(tags, id).map((part) => ({ is: 'changing' as const, from: this.id, ...part }));
    const done = await Promise.all(messages.map((message) => this.announcePart(state, message, limitMs)));
    return done.every(({ isDone }) => isDone);
  }

  private async announcePart(
    state: RelayState,
    message: CoherenceMessage & { is: 'changing' | 'drop' },
    limitMs: number | null,
  ): Promise<{ isDone: boolean; removed: number }> {
    const announcement = state.announcements.begin(message.id);
    const result = (isDone: boolean) => ({ isDone, removed: announcement.removed });
    try {
      const published = state.relay.publish(JSON.stringify(message));
      if (limitMs === null) await published;
      const carried = await succeedsWithin(
        limitMs ?? LEASE_MS,
        published.then(() => announcement.echoed),
      );
      const { missing } = announcement;
      if (!carried || !missing) return result(limitMs === null);
      const unknownForMs = state.membership.unknownForMs;
      if (unknownForMs > 0 && limitMs !== null) return result(false);
      const limit = limitMs ?? state.membership.longestLeaseMs(missing);
      const acknowledged = await succeedsWithin(limit, announcement.acknowledged);
      if (unknownForMs > 0) await delay(unknownForMs);
      return result(acknowledged || limitMs === null);
    } finally {
      state.announcements.end(message.id);
    }
  }

  private receive(state: RelayState, text: string): void {
    const message = readMessage(text);
    if (!message) return;
    if (message.is === 'here') return this.heartbeat(state, message);
    if (message.is === 'heard') return this.acknowledged(state, message);
    if (message.is === 'gone') {
      state.membership.remove(message.from);
      return state.announcements.settleAll(message.from);
    }
    if (message.from === this.id) return this.echo(state, message);
    if (message.is === 'changed') return this.listener.endChange(message.tags, message.id, state.index);
    void this.acknowledge(state, message);
  }

  /** Our own heartbeat renews the lease; all messages published before it have been received by then. */
  private heartbeat(state: RelayState, { from, sent, report }: CoherenceMessage & { is: 'here' }): void {
    state.membership.heartbeat(from, sent, report);
    if (from !== this.id) return;
    this.isEchoMissing = false;
    if (this.holdsLease) this.renewed();
    if (!state.joined && !state.joiningConnection) void this.join(state, (state.joiningConnection = {}));
  }

  private async join(state: RelayState, connection: object): Promise<void> {
    const known = await this.announceOn(state, [], randomUUID(), null).catch(() => false);
    if (state.joiningConnection !== connection) return; // the connection was lost again
    this.listener.distrust(state.wasJoined, state.index === this.relayStates.length - 1);
    Object.assign(state, { joined: known, wasJoined: true, joiningConnection: undefined });
  }

  private echo(state: RelayState, message: CoherenceMessage & { id: string }): void {
    const announcement = state.announcements.find(message.id);
    if (!announcement) return;
    state.membership.markListening();
    announcement.receiveEcho(state.membership.holders());
  }

  private acknowledged(state: RelayState, { from, to, id, removed, report }: CoherenceMessage & { is: 'heard' }): void {
    state.membership.updateReport(from, report);
    const announcement = to === this.id ? state.announcements.find(id) : undefined;
    if (!announcement) return;
    announcement.removed += removed;
    announcement.settle(from);
  }

  private async acknowledge(state: RelayState, message: CoherenceMessage & { is: 'changing' | 'drop' }): Promise<void> {
    let removed = 0;
    if (message.is === 'drop') removed = this.listener.drop(message.pattern);
    else if (message.tags.length > 0) await this.listener.beginChange(message.tags, message.id, state.index);
    else
      for (const [change, changing] of this.runningChanges)
        for (const part of partsOf(changing, change)) this.publish(state, { is: 'changing', from: this.id, ...part });
    const { from: to, id } = message;
    this.publish(state, { is: 'heard', from: this.id, to, id, removed, report: this.listener.report() });
  }
}

const noop = (): void => undefined;
