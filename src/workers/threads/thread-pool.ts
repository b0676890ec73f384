// One bounded pool of Piscina threads. Tasks never wait for a thread that died.
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { WaitQueue } from '../../shared/libs/wait-queue.js';

export interface ThreadOptions {
  /** Ends the thread, whatever it does; the task rejects with the signal's reason. */
  signal: AbortSignal;
  /** Objects to transfer instead of copy, such as a MessagePort that delivers the thread's input. */
  transfer?: ReadonlyArray<MessagePort | ArrayBuffer>;
}

/** An idle thread ends after this time. */
const IDLE_MS = 30_000;

export class ThreadPool {
  private readonly piscina: Piscina;
  /**
   * Tasks wait here and not in Piscina: when a thread ends or dies, Piscina starts no new thread for the tasks that wait
   * behind it, until another task is added.
   */
  private readonly waiting = new WaitQueue();
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
      // In development and tests, threads run the TypeScript sources, not the build.
      execArgv: import.meta.url.endsWith('.ts') ? ['--import', '@swc-node/register/esm-register', '--no-warnings'] : [],
    });
    // Emitted when a thread dies before it takes its task. Piscina would leave the task pending, and an unhandled error
    // event would end the process.
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
      for (const end of ends) end.throwIfAborted(); // throws the reason instead of a generic AbortError
      throw error;
    } finally {
      if (!this.waiting.next()) this.free++;
    }
  }

  /** Ends all threads; running and waiting tasks reject. */
  async close(): Promise<void> {
    this.closed.abort(new Error('The process is stopping'));
    await this.piscina.destroy();
  }

  private turn(signal: AbortSignal): Promise<void> {
    if (this.free === 0) return this.waiting.waitUnlessAborted(signal);
    signal.throwIfAborted();
    this.free--;
    return Promise.resolve();
  }
}
