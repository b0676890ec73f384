// Signals to all processes which owners have new events in the log: wake-ups for its readers, which may get lost.
import { Injectable } from '@nestjs/common';
import { Signals } from '../pubsub/signals.js';

const TOPIC = 'events';
/** Owners of one signal: keys of at most 19 digits, so it stays below the size limit of signals. */
const MAX_OWNERS = 300;
/** With more owners, one signal wakes the readers of all. */
const MAX_SIGNALS = 4;
const ALL = '*';

@Injectable()
export class EventSignals {
  constructor(private readonly signals: Signals) {}

  /** Never rejects: readers compare their positions with the log every few seconds. `owners`: internal keys. */
  publish(owners: readonly string[]): void {
    const isMany = owners.length > MAX_OWNERS * MAX_SIGNALS;
    for (let at = 0; at < (isMany ? 1 : owners.length); at += MAX_OWNERS) {
      const body = isMany ? ALL : owners.slice(at, at + MAX_OWNERS).join();
      void this.signals.send(TOPIC, body).catch(() => undefined);
    }
  }

  /** Calls `listener` with the owners that have new events; `all`: any of them may have some, as after a lost connection. */
  listen(listener: (owners: readonly string[] | 'all') => void): void {
    this.signals.on(TOPIC, (body) => listener(body === ALL ? 'all' : body.split(',')));
    this.signals.onReconnect(() => listener('all'));
  }
}
