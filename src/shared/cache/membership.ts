// The processes that one relay reaches, known by their heartbeats, and the lease of this process on that relay.

/** Duration of the lease to serve from memory, from the sending of a heartbeat that the process received back. */
export const LEASE_MS = 1_200;

interface Member {
  /** When its last heartbeat arrived. */
  receivedAt: number;
  report: unknown;
}

/** All times are those of performance.now(). */
export class Membership {
  /** When this process last received its own heartbeat. */
  echoedAt = performance.now();
  private readonly members = new Map<string, Member>();
  private leaseUntil = 0;
  /** A process that sent its heartbeat before this time may hold a lease that this process does not know of. */
  private listeningSince = Infinity;

  /** `self`: the id of this process. */
  constructor(private readonly self: string) {}

  get holdsLease(): boolean {
    return this.leaseUntil > performance.now();
  }

  /** Milliseconds until every process that may hold a lease is known; negative when all are. */
  get unknownForMs(): number {
    return this.listeningSince + LEASE_MS - performance.now();
  }

  /** A heartbeat arrived. Our own one renews the lease, counted from `sent`. */
  heartbeat(from: string, sent: number, report: unknown): void {
    const now = performance.now();
    this.members.set(from, { receivedAt: now, report });
    if (from !== this.self) return;
    this.leaseUntil = sent + LEASE_MS;
    this.echoedAt = now;
    this.markListening();
  }

  /** A message of our own arrived, so the connection delivers. */
  markListening(): void {
    this.listeningSince = Math.min(this.listeningSince, performance.now());
  }

  /** The connection is lost: messages may be missing. */
  cutOff(): void {
    this.leaseUntil = 0;
    this.listeningSince = Infinity;
  }

  remove(id: string): void {
    this.members.delete(id);
  }

  updateReport(id: string, report: unknown): void {
    const member = this.members.get(id);
    if (member) member.report = report;
  }

  /** Returns the other processes that may hold a lease, and forgets those that cannot. */
  holders(): Set<string> {
    const since = performance.now() - LEASE_MS;
    for (const [id, { receivedAt }] of this.members) if (receivedAt <= since) this.members.delete(id);
    return new Set([...this.members.keys()].filter((id) => id !== this.self));
  }

  /** Milliseconds until the last lease of these processes has ended. */
  longestLeaseMs(ids: Iterable<string>): number {
    const last = Math.max(...[...ids].map((id) => this.members.get(id)?.receivedAt ?? 0));
    return Math.max(0, last + LEASE_MS - performance.now());
  }

  /** Returns the last reports of the other live processes. */
  reports(): unknown[] {
    const since = performance.now() - LEASE_MS;
    return [...this.members]
      .filter(([id, { receivedAt }]) => id !== this.self && receivedAt > since)
      .map(([, m]) => m.report);
  }
}
