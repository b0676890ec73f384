// The event bus: rooms tell what happened, others act inside the same transaction or after its commit.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../database/transaction.js';
import type { EventMap, EventName } from './event-map.js';

type Listener<N extends EventName> = (event: EventMap[N]) => Promise<void> | void;
type Listeners = { [N in EventName]?: Array<Listener<N>> };

@Injectable()
export class Events {
  private readonly inside: Listeners = {};
  private readonly after: Listeners = {};

  constructor(private readonly transaction: Transaction) {}

  /** Runs inside the emitter's transaction: a failure rolls the change back. */
  within<N extends EventName>(name: N, listener: Listener<N>): void {
    ((this.inside[name] ??= []) as Array<Listener<N>>).push(listener);
  }

  /** Runs once the change is committed, in this process. Must not throw. */
  afterCommit<N extends EventName>(name: N, listener: (event: EventMap[N]) => void): void {
    ((this.after[name] ??= []) as Array<Listener<N>>).push(listener);
  }

  async emit<N extends EventName>(name: N, event: EventMap[N]): Promise<void> {
    for (const listener of this.inside[name] ?? []) await listener(event);
    for (const listener of this.after[name] ?? []) this.transaction.afterCommit(() => void listener(event));
  }
}
