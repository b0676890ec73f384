// One relay, and what this process knows from it.
import type { EventRelay } from '../pubsub/relay.js';
import { Announcements } from './announcements.js';
import { Membership } from './membership.js';

export class RelayState {
  readonly membership: Membership;
  readonly announcements = new Announcements();
  /** Parts of running changes that we have announced to a process that joined. */
  readonly repeatedParts = new Set<string>();
  /** Identifies a connection whose join is not complete. */
  joiningConnection: object | undefined;
  /** The others have announced all running changes to us. */
  joined = false;

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
