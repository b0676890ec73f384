// The realtime clients of this process: limits their number, ends those whose session has ended, and all when the server stops.
import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { Principals } from '../../auth/principals.js';
import { unavailable } from '../../common/http/filters/to-problem.js';
import { HttpSettings } from '../../common/http/http.settings.js';
import type { Actor } from '../../common/access/permissions.js';
import { Clock } from '../../shared/libs/clock.js';
import { networksOf } from '../../shared/libs/network.js';
import { NetworkSums, siteShareOf } from '../../shared/libs/network-sums.js';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import { RealtimeErrors } from '../realtime.errors.js';
import { RealtimeSettings } from '../realtime.settings.js';

/** `session ended`: also when its user was deleted or has another role. */
export type EndReason = 'token expired' | 'session ended' | 'restart';

export interface Client {
  readonly claims: AccessClaims;
  readonly actor: Actor;
  /** Must not throw. The client removes itself when it has ended. */
  end(reason: EndReason): void;
}

/** A client learns of the end of its session within a second. */
const CHECK_MS = 700;
/** Simultaneous reads of sessions that are not cached. */
const MAX_READS = 8;

@Injectable()
export class Clients implements OnModuleInit, BeforeApplicationShutdown {
  private readonly clients = new Set<Client>();
  private readonly ofUser = new Map<string, number>();
  private readonly ofNetwork = new NetworkSums();
  private timer: NodeJS.Timeout | undefined;
  private isEnding = false;

  constructor(
    private readonly principals: Principals,
    private readonly clock: Clock,
    private readonly settings: RealtimeSettings,
    private readonly http: HttpSettings,
  ) {}

  onModuleInit(): void {
    const check = async (): Promise<void> => {
      await this.checkSessions().catch(() => undefined); // the next round checks again
      if (!this.isEnding) this.timer = setTimeout(() => void check(), CHECK_MS).unref();
    };
    void check();
  }

  beforeApplicationShutdown(): void {
    this.endAll();
  }

  get isStopping(): boolean {
    return this.isEnding;
  }

  /** Ends all clients, and refuses further ones. */
  endAll(): void {
    this.isEnding = true;
    clearTimeout(this.timer);
    for (const client of this.clients) client.end('restart');
  }

  /** Returns a function that removes the client. Throws TOO_MANY_CLIENTS; SERVICE_UNAVAILABLE while the server stops. */
  add(client: Client, address: string): () => void {
    if (this.isEnding) throw unavailable();
    const { perUser, perNetwork } = this.settings.maxClients;
    const networks = networksOf(address);
    const perSite = siteShareOf(perNetwork, this.http.maxConnections.total);
    if (this.ofNetwork.ofNetwork(networks) >= perNetwork || this.ofNetwork.ofSite(networks) >= perSite)
      throw RealtimeErrors.TOO_MANY_CLIENTS('network');
    if ((this.ofUser.get(client.actor.id) ?? 0) >= perUser) throw RealtimeErrors.TOO_MANY_CLIENTS('user');
    this.clients.add(client);
    this.count(client.actor.id, 1);
    this.ofNetwork.add(networks, 1);
    return () => {
      if (!this.clients.delete(client)) return;
      this.count(client.actor.id, -1);
      this.ofNetwork.add(networks, -1);
    };
  }

  private count(userId: string, change: 1 | -1): void {
    const count = (this.ofUser.get(userId) ?? 0) + change;
    if (count === 0) this.ofUser.delete(userId);
    else this.ofUser.set(userId, count);
  }

  /** A session that cannot be read now is checked again; its token ends it at the latest. */
  private async checkSessions(): Promise<void> {
    const reads: Array<Promise<void>> = [];
    for (const client of this.clients) {
      if (client.claims.exp * 1_000 <= this.clock.now()) {
        client.end('token expired');
        continue;
      }
      const settle = (found: Actor | null): void => {
        if (found?.role !== client.actor.role) client.end('session ended');
      };
      const found = this.principals.find(client.claims);
      if (!(found instanceof Promise)) settle(found);
      else if (reads.push(found.then(settle, () => undefined)) === MAX_READS) await Promise.all(reads.splice(0));
    }
    await Promise.all(reads);
  }
}
