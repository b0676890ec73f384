// The event bus: feature modules emit events, and listeners run inside the same transaction.
import { Injectable } from '@nestjs/common';
import type { EventDefinition } from './event.js';

type Listener = (payload: unknown) => Promise<void>;

@Injectable()
export class Events {
  private readonly listeners = new Map<string, Listener[]>();

  /** Registers a listener that runs inside the emitter's transaction: its failure rolls the change back. */
  within<T>({ name }: EventDefinition<T>, listener: (payload: T) => Promise<void>): void {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener as Listener]);
  }

  async emit<T>({ name }: EventDefinition<T>, payload: T): Promise<void> {
    for (const listener of this.listeners.get(name) ?? []) await listener(payload);
  }
}
