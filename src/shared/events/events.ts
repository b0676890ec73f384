// The event bus: feature modules emit events; listeners run inside the same transaction, which also records the event.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../database/transaction.js';
import type { EventDefinition } from './event.js';
import { eventOrigin, originAt, recordEvents } from './record-events.js';

type Listener = (data: unknown) => Promise<void>;

export interface EventSubject {
  /** Internal key of the user whose log has the event. */
  owner?: string | null;
  /** UUID of the changed object. */
  id?: string | null;
}

@Injectable()
export class Events {
  private readonly listeners = new Map<string, Listener[]>();

  constructor(private readonly transaction: Transaction) {}

  /** Registers a listener that runs inside the emitter's transaction: its failure rolls the change back. */
  within<T>({ name }: EventDefinition<T>, listener: (data: T) => Promise<void>): void {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener as Listener]);
  }

  /**
   * Call it in the transaction of the change; outside a transaction the event is committed by itself. A change of one row needs
   * no call: its repository records the event in the same statement.
   */
  async emit<T extends object>(event: EventDefinition<T>, data: T, { owner, id }: EventSubject = {}): Promise<void> {
    for (const listener of this.listeners.get(event.name) ?? []) await listener(data);
    if (!event.isPublished && !event.isAudited) return;
    const source = {
      owner: '$1::bigint',
      subject: '$2::uuid',
      data: '$3::jsonb',
      from: '(VALUES (1)) AS one',
      origin: originAt(4),
    };
    const values = [owner ?? null, id ?? null, JSON.stringify(data), ...eventOrigin()];
    await this.transaction.query({ name: `record-${event.name}`, text: recordEvents(event, source), values });
  }
}
