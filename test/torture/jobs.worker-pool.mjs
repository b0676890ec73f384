// The worker processes of a torture run: restarted when they die, killed and frozen while they have work.
import { fileURLToPath } from 'node:url';
import { start, until } from './servers.mjs';

const WORKER = fileURLToPath(new URL('jobs.worker.mjs', import.meta.url));
/** Time for a worker to start on a busy machine. */
const BOOT_MS = 60_000;
const STOP_MS = 30_000;

export class WorkerPool {
  /** The running workers, by their names in the rows. */
  working = new Map();
  /** Number of effects that were refused to zombies. */
  fenced = 0;
  /** Deaths of workers that had started. */
  deaths = 0;
  /** Workers that ended before they had started, because a service was down. */
  failedStarts = 0;
  /** The last output of all workers, for the analysis of failures. */
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
    await this.waitFor(this.size);
  }

  /** Waits until `count` workers are running. */
  waitFor(count) {
    return until(() => this.working.size >= count, `${count} workers to be at work\n${this.output}`, BOOT_MS);
  }

  async kill(name) {
    const child = this.working.get(name);
    child.kill('SIGKILL');
    await child.ended;
  }

  /** Freezes a worker, and returns a function that resumes it. */
  freeze(name) {
    const child = this.working.get(name);
    this.working.delete(name);
    child.kill('SIGSTOP');
    return () => {
      child.kill('SIGCONT');
      if (this.#all.has(child)) this.working.set(name, child);
    };
  }

  /** Stops the workers after their running jobs. */
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
      else this.failedStarts++;
      this.#spawn();
    });
  }
}
