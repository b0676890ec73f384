// The driver's end of a worker process: where it shall stand still, how it is killed or frozen there, what it has to say.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 30_000;
const running = new Set();
let stopped = false;

/** Asks again until the answer is true. */
export async function until(condition, what) {
  for (const began = performance.now(); !(await condition()); await delay(5)) {
    if (stopped) throw new Error('stopped by a signal');
    if (performance.now() - began > PATIENCE_MS) throw new Error(`waited ${PATIENCE_MS} ms in vain for ${what}`);
  }
}

/** Whoever waits gives up, so that what was made is cleared away. */
export function stop() {
  stopped = true;
}

/** Frozen ones too, by their pids. */
export function killAll() {
  for (const child of running) child.kill('SIGKILL');
}

export class Holder {
  #child;
  #said = [];
  #end;
  #over = false;

  /** `onEvent` hears of what happens to its locks, by name. */
  constructor(task, onEvent) {
    this.#child = fork(join(import.meta.dirname, 'locks.worker.mjs'), [JSON.stringify(task)]);
    running.add(this.#child);
    this.#child.on('message', (message) => (message.event ? onEvent(message.event) : this.#said.push(message)));
    this.#end = once(this.#child, 'exit').then(([code]) => {
      running.delete(this.#child);
      this.#over = true;
      return code;
    });
  }

  /** Sends it to work as soon as all of `holders` are there: one that is alone for a while would have it easy. */
  static async start(...holders) {
    for (const holder of holders) await holder.#hears((message) => message.ready, 'a worker to be ready');
    for (const holder of holders) holder.#child.send({ start: true });
  }

  /** Lets it end after its turn. Throws when it fails. */
  async finish() {
    if (!this.#over) this.#child.send({ finish: true });
    await until(() => this.#over, 'a worker to finish');
    const code = await this.#end;
    if (code !== 0) throw new Error(`a worker ended with ${code}`);
  }

  /** Waits until it stands still there in a turn with the lock, and gives its fence. */
  async stopAt(point) {
    this.#child.send({ stopAt: point });
    return (await this.#hears((message) => message.stopped === point, `a holder to come to "${point}"`)).fence;
  }

  async kill() {
    this.#child.kill('SIGKILL');
    await this.#end;
  }

  /** It wakes up with the word to go on waiting for it, and writes before its timers tell it how late it is. */
  async freeze(meanwhile) {
    this.#child.kill('SIGSTOP');
    await meanwhile();
    this.#child.send({ go: true });
    this.#child.kill('SIGCONT');
  }

  /** The code that the turn with that fence ended with. */
  async codeOf(fence) {
    return (await this.#hears((message) => message.ended === fence, `the turn of fence ${fence} to end`)).code;
  }

  async #hears(wanted, what) {
    await until(() => this.#over || this.#said.some(wanted), what);
    const at = this.#said.findIndex(wanted);
    if (at === -1) throw new Error(`a worker ended instead of ${what}`);
    return this.#said.splice(at, 1)[0];
  }
}
