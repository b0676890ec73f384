// A clock that a test sets by hand, also backwards.
import { Clock } from '../../../src/shared/libs/clock.js';

export class ManualClock extends Clock {
  constructor(public time = Date.now()) {
    super();
  }

  now(): number {
    return this.time;
  }
}
