// The event bus: feature modules emit events, and listeners run inside the same transaction.
import { Injectable } from '@nestjs/common';
import type { EventMap, EventName } from './event-map.js';

type Listener<N extends EventName> = (event: EventMap[N]) => Promise<void>;
type Listeners = { [N in EventName]?: Array<Listener<N>> };

@Injectable()
export class Events {
  private readonly inside: Listeners = {};

  /** Registers a listener that runs inside the emitter's transaction: its failure rolls the change back. */
  within<N extends EventName>(name: N, listener: Listener<N>): void {
    ((this.inside[name] ??= []) as Array<Listener<N>>).push(listener);
  }

  async emit<N extends EventName>(name: N, event: EventMap[N]): Promise<void> {
    for (const listener of this.inside[name] ?? []) await listener(event);
  }
}
