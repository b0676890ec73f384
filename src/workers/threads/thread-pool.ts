// One bounded pool of threads over Piscina, in which no task is left waiting for a thread that died.
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';

export interface ThreadOptions {
  /** Ends the thread, whatever it is doing; the task rejects with the signal's reason. */
  signal: AbortSignal;
  /** Objects to hand over instead of copying, such as a MessagePort that brings the thread its input. */
  transfer?: ReadonlyArray<MessagePort | ArrayBuffer>;
}

/** An unused thread ends after it. */
const IDLE_MS = 30_000;

export class ThreadPool {
  private readonly piscina: Piscina;
  /**
   * Tasks wait here, not in Piscina, which starts no new thread for those that wait behind one that was ended or died:
   * they would stay until somebody brought another task.
   */
  private readonly waiting: Array<() => void> = [];
  private readonly closed = new AbortController();
  private failed = new AbortController();
  private free: number;

  constructor(threads: number, memoryMib: number) {
    this.free = threads;
    this.piscina = new Piscina({
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE_MS,
      resourceLimits: { maxOldGenerationSizeMb: memoryMib },
      // The sources, not the build, in development and tests.
      execArgv: import.meta.url.endsWith('.ts') ? ['--import', '@swc-node/register/esm-register', '--no-warnings'] : [],
    });
    // A thread died before it took its task. Piscina would leave the task where it is, and an event that nobody heard
    // would end the process.
    this.piscina.on('error', (error) => {
      this.failed.abort(error);
      this.failed = new AbortController();
    });
  }

  async run(filename: string, task: unknown, { signal, transfer = [] }: ThreadOptions): Promise<unknown> {
    const ends = [signal, this.closed.signal];
    await this.turn(AbortSignal.any(ends));
    ends.push(this.failed.signal);
    try {
      const options = { filename, signal: AbortSignal.any(ends), transferList: [...transfer] as never };
      return await this.piscina.run(task, options);
    } catch (error) {
      for (const end of ends) end.throwIfAborted(); // why it was ended, rather than that it was
      throw error;
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }

  /** Ends all threads; what runs or waits rejects. */
  async close(): Promise<void> {
    this.closed.abort(new Error('The process is stopping'));
    await this.piscina.destroy();
  }

  private turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.free > 0) {
      this.free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(enter), 1);
        reject(signal.reason as Error);
      };
      this.waiting.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
