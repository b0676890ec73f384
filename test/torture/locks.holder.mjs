// Controls a worker process of the lock torture: where it pauses, when it is killed or frozen, and what it reports.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const MAX_WAIT_MS = 30_000;
const running = new Set();
let stopped = false;

/** Polls until the condition is true. */
export async function until(condition, what) {
  for (const began = performance.now(); !(await condition()); await delay(5)) {
    if (stopped) throw new Error('stopped by a signal');
    if (performance.now() - began > MAX_WAIT_MS) throw new Error(`waited ${MAX_WAIT_MS} ms in vain for ${what}`);
  }
}

/** Ends all waiting, so that the clean-up can run. */
export function stop() {
  stopped = true;
}

/** Kills all worker processes, frozen ones too. */
export function killAll() {
  for (const child of running) child.kill('SIGKILL');
}

export class Holder {
  #child;
  #messages = [];
  #end;
  #over = false;

  /** `onEvent` receives the names of the events of its locks. */
  constructor(task, onEvent) {
    this.#child = fork(join(import.meta.dirname, 'locks.worker.mjs'), [JSON.stringify(task)]);
    running.add(this.#child);
    this.#child.on('message', (message) => (message.event ? onEvent(message.event) : this.#messages.push(message)));
    this.#end = once(this.#child, 'exit').then(([code]) => {
      running.delete(this.#child);
      this.#over = true;
      return code;
    });
  }

  /** Starts the work when all `holders` are ready: a single one would have no competition for a while. */
  static async start(...holders) {
    for (const holder of holders) await holder.#receives((message) => message.ready, 'a worker to be ready');
    for (const holder of holders) holder.#child.send({ start: true });
  }

  /** Waits for the end of its turn. Throws when the worker fails. */
  async finish() {
    if (!this.#over) this.#child.send({ finish: true });
    await until(() => this.#over, 'a worker to finish');
    const code = await this.#end;
    if (code !== 0) throw new Error(`a worker ended with ${code}`);
  }

  /** Waits until the worker pauses at the point in a turn with the lock, and returns the fence of the turn. */
  async stopAt(point) {
    this.#child.send({ stopAt: point });
    return (await this.#receives((message) => message.stopped === point, `a holder to come to "${point}"`)).fence;
  }

  async kill() {
    this.#child.kill('SIGKILL');
    await this.#end;
  }

  /** Freezes the worker. It wakes up with a message to continue, and writes before its timers show how late it is. */
  async freeze(meanwhile) {
    this.#child.kill('SIGSTOP');
    await meanwhile();
    this.#child.send({ go: true });
    this.#child.kill('SIGCONT');
  }

  /** Returns the code with which the turn of that fence ended. */
  async codeOf(fence) {
    return (await this.#receives((message) => message.ended === fence, `the turn of fence ${fence} to end`)).code;
  }

  async #receives(wanted, what) {
    await until(() => this.#over || this.#messages.some(wanted), what);
    const at = this.#messages.findIndex(wanted);
    if (at === -1) throw new Error(`a worker ended instead of ${what}`);
    return this.#messages.splice(at, 1)[0];
  }
}
