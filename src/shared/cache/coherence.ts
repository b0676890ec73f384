// Cache coherence: changes are announced before their commit, so that no process serves a value older than the last commit.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRelay } from '../pubsub/relay.js';
import { succeedsWithin } from '../libs/time-limit.js';
import type { Announcement } from './announcements.js';
import { changeOf, type CoherenceMessage, partsOf, readMessage } from './coherence-messages.js';
import { LEASE_MS } from './membership.js';
import { RelayState } from './relay-state.js';

/** Interval between the heartbeats of a process. */
const HEARTBEAT_MS = 300;
/** How long an announcement waits on a relay for its echo, and again for acknowledgements, before the next relay is tried. */
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
  /**
   * Messages arrive for the first time, or again after a gap: cached values may be old. `isLast`: on the last relay.
   * `completeEpochs`: those of other processes that have received all earlier announcements.
   */
  distrust(isLast: boolean, completeEpochs: ReadonlySet<string>): void;
  /** Resolves to the epoch in Redis, or to null when a change that this process received before the call may be missing there. */
  completeEpoch(): Promise<string | null>;
  /** Deletes the values that match the glob and returns their number. */
  drop(pattern: string): number;
  /** Returns the tags of each change that this process knows to run, also of other processes, by the id of the change. */
  runningChanges(): Iterable<readonly [string, readonly string[]]>;
  /** Returns the report about this process for the others. */
  report(): unknown;
}

/**
 * The protocol (leases as in Gray and Cheriton, 1989):
 *
 * 1. A process serves from its memory only while it holds a lease on every relay. It gets the lease when it receives its own
 *    heartbeat; the lease lasts LEASE_MS from the moment of sending. A relay delivers in one order, so the process has then
 *    received every announcement that was published before that heartbeat.
 * 2. A process that changes data announces the tags before the commit. It waits until all others have acknowledged that they
 *    dropped the tags, or until LEASE_MS after their last heartbeat. When its own announcement comes back, it knows each
 *    process that sent a heartbeat before. A process that sends one later receives the announcement first. A process that has
 *    listened for less than LEASE_MS does not know all others, and waits until it has.
 * 3. Between the announcement and the end of the change no process caches values of these tags. A process that joins, or
 *    was cut off, first announces itself; the others repeat all running changes that they know before they acknowledge it.
 * 4. A process that cannot write its change to Redis announces it over the last relay; each process that receives it there
 *    writes the change to Redis. So a process that missed no announcement, and failed no write, can say to one that joins that the
 *    values in Redis are good.
 *
 * So at the commit no process can serve the old value. This rests on clocks that run at about the same speed; ADR 003 lists the
 * rest.
 *
 * A process may be able to publish but receive nothing. It then waits LEASE_MS after the publication: by then each process that
 * has a lease has renewed it, with a heartbeat that came after the announcement, and has therefore received the announcement. If
 * a process cannot publish, its change is refused.
 */
export class Coherence {
  readonly id = randomUUID();
  private readonly relayStates: RelayState[];
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

  /** The index of the last relay. */
  get lastRelay(): number {
    return this.relayStates.length - 1;
  }

  /** True when we receive announcements over the last relay: a process that cannot reach Redis announces only there. */
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
    const last = this.lastRelay;
    for (const state of this.relayStates) {
      if (state.index < last && !usable(state.index)) continue;
      if (await this.announceOn(state, tags, id, state.index === last ? null : ANNOUNCE_MS)) return state.index;
    }
    return last;
  }

  /** Publishes the end of the change on every relay that may have carried its announcement. */
  publishEnd(tags: readonly string[], id: string, relay: number): void {
    for (const state of this.relayStates.slice(0, relay + 1))
      for (const part of partsOf(tags, id)) this.publish(state, { is: 'changed', from: this.id, ...part });
  }

  /** Makes every other process drop the matching values. Returns their number; rejects when it cannot be published. */
  async drop(pattern: string): Promise<number> {
    const state = this.relayStates.at(-1) as RelayState;
    const message = { is: 'drop' as const, from: this.id, id: randomUUID(), pattern };
    return (await this.announcePart(state, message, null)).announcement.removed;
  }

  /** From now on nothing is served from memory and no process waits for us; our own changes are still announced. */
  async leave(): Promise<void> {
    clearInterval(this.timer);
    this.hasLeft = true;
    const farewell = JSON.stringify({ is: 'leaving', from: this.id } satisfies CoherenceMessage);
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
      this.publish(state, { is: 'heartbeat', from: this.id, sent: now, report: this.listener.report() });
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
  ): Promise<{ isDone: boolean; announcement: Announcement }> {
    const announcement = state.announcements.begin(message.id);
    const result = (isDone: boolean) => ({ isDone, announcement });
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
    if (message.is === 'heartbeat') return this.heartbeat(state, message);
    if (message.is === 'acknowledged') return this.acknowledged(state, message);
    if (message.is === 'leaving') {
      state.membership.remove(message.from);
      return state.announcements.settleAll(message.from);
    }
    if (message.from === this.id) return this.echo(state, message);
    if (message.is === 'changed') return this.endChange(state, message);
    void this.acknowledge(state, message);
  }

  /** Our repetition of the announcement may follow this end on the relay, so the end is repeated, too. */
  private endChange(state: RelayState, message: CoherenceMessage & { is: 'changed' }): void {
    this.listener.endChange(message.tags, changeOf(message.id), state.index);
    for (const each of this.relayStates)
      if (each.repeatedParts.delete(message.id)) this.publish(each, { ...message, from: this.id });
  }

  /** Our own heartbeat renews the lease; all messages published before it have been received by then. */
  private heartbeat(state: RelayState, { from, sent, report }: CoherenceMessage & { is: 'heartbeat' }): void {
    state.membership.heartbeat(from, sent, report);
    if (from !== this.id) return;
    this.isEchoMissing = false;
    if (this.holdsLease) this.renewed();
    if (!state.joined && !state.joiningConnection) void this.join(state, (state.joiningConnection = {}));
  }

  private async join(state: RelayState, connection: object): Promise<void> {
    const message = { is: 'changing' as const, from: this.id, id: randomUUID(), tags: [] };
    const announced = await this.announcePart(state, message, null).catch(() => null);
    if (state.joiningConnection !== connection) return; // the connection was lost again
    state.joiningConnection = undefined;
    if (!announced) return; // our next heartbeat tries again
    this.listener.distrust(state.index === this.lastRelay, announced.announcement.completeEpochs);
    state.joined = true;
  }

  private echo(state: RelayState, message: CoherenceMessage & { id: string }): void {
    const announcement = state.announcements.find(message.id);
    if (!announcement) return;
    state.membership.markListening();
    announcement.receiveEcho(state.membership.holders());
  }

  private acknowledged(
    state: RelayState,
    { from, to, id, removed, epoch, report }: CoherenceMessage & { is: 'acknowledged' },
  ): void {
    state.membership.updateReport(from, report);
    const announcement = to === this.id ? state.announcements.find(id) : undefined;
    if (!announcement) return;
    announcement.removed += removed;
    if (epoch) announcement.completeEpochs.add(epoch);
    announcement.settle(from);
  }

  private async acknowledge(state: RelayState, message: CoherenceMessage & { is: 'changing' | 'drop' }): Promise<void> {
    let removed = 0;
    let epoch: string | null = null;
    if (message.is === 'drop') removed = this.listener.drop(message.pattern);
    else if (message.tags.length > 0) await this.listener.beginChange(message.tags, changeOf(message.id), state.index);
    else {
      this.repeatRunningChanges(state);
      if (state.joined) epoch = await this.listener.completeEpoch();
    }
    const { from: to, id } = message;
    const report = this.listener.report();
    this.publish(state, { is: 'acknowledged', from: this.id, to, id, removed, epoch, report });
  }

  private repeatRunningChanges(state: RelayState): void {
    state.repeatedParts.clear(); // those that still run are repeated again
    for (const [change, tags] of this.listener.runningChanges())
      for (const part of partsOf(tags, change)) {
        state.repeatedParts.add(part.id);
        this.publish(state, { is: 'changing', from: this.id, ...part });
      }
  }
}

const noop = (): void => undefined;
