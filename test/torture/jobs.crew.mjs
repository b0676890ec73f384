// The worker processes of a torture: started again when they die, killed and frozen while they have work.
import { fileURLToPath } from 'node:url';
import { start, until } from './servers.mjs';

const WORKER = fileURLToPath(new URL('jobs.worker.mjs', import.meta.url));
/** They boot anew, on a machine that is busy with all of this. */
const BOOT_MS = 60_000;
const STOP_MS = 30_000;

export class Crew {
  /** By their names in the rows; those that are on their feet. */
  working = new Map();
  /** Effects that were refused to zombies. */
  fenced = 0;
  /** Of those that were at work. */
  deaths = 0;
  /** Those that never came to work: what they need was away. */
  noBoots = 0;
  /** The last words of all of them, for whoever has to find out what went wrong. */
  output = '';
  #all = new Set();
  #isOver = false;

  /** `imports`: modules that are loaded before a worker. */
  constructor(env, size, imports = []) {
    this.env = env;
    this.size = size;
    this.args = [...imports.flatMap((path) => ['--import', path]), WORKER];
  }

  async start() {
    for (let n = 0; n < this.size; n++) this.#spawn();
    await this.whole(this.size);
  }

  /** Waits until so many are at work. */
  whole(count) {
    return until(() => this.working.size >= count, `${count} workers to be at work\n${this.output}`, BOOT_MS);
  }

  async kill(name) {
    const child = this.working.get(name);
    child.kill('SIGKILL');
    await child.ended;
  }

  /** Gives what lets it go on. */
  freeze(name) {
    const child = this.working.get(name);
    this.working.delete(name);
    child.kill('SIGSTOP');
    return () => {
      child.kill('SIGCONT');
      if (this.#all.has(child)) this.working.set(name, child);
    };
  }

  /** They finish what runs. */
  async stop() {
    this.#isOver = true;
    for (const child of this.#all) child.kill('SIGTERM');
    await until(() => this.#all.size === 0, `the workers to stop\n${this.output}`, STOP_MS);
  }

  #spawn() {
    const child = start(process.execPath, this.args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    let name;
    this.#all.add(child);
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (this.output = (this.output + text).slice(-20_000)));
    child.on('message', (message) => {
      if (message.fenced) this.fenced++;
      if (message.worker) this.working.set((name = message.worker), child);
    });
    child.once('exit', () => {
      this.#all.delete(child);
      this.working.delete(name);
      if (this.#isOver) return;
      if (name) this.deaths++;
      else this.noBoots++;
      this.#spawn();
    });
  }
}
