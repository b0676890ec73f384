// The state of this process between start and exit.

/** `starting` until it listens, `draining` from the first SIGTERM on. */
export class Lifecycle {
  private current: 'starting' | 'serving' | 'draining' = 'starting';

  get state(): 'starting' | 'serving' | 'draining' {
    return this.current;
  }

  serve(): void {
    this.current = 'serving';
  }

  drain(): void {
    this.current = 'draining';
  }
}
