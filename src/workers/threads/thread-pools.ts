// Threads for work that burns CPU: one bounded pool for each kind of it. What happens in a thread cannot block or end the process.
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { AppConfig } from '../../shared/config/app-config.js';

/** `render`: draws documents. `data`: reads, writes and counts tables. Each has its size in the environment. */
export type ThreadKind = 'render' | 'data';

export interface ThreadOptions {
  /** Ends the thread, whatever it is doing; the task rejects with an AbortError. */
  signal: AbortSignal;
  /** Objects to hand over instead of copying, such as a MessagePort that brings the thread its input. */
  transfer?: ReadonlyArray<MessagePort | ArrayBuffer>;
}

type MessagePort = import('node:worker_threads').MessagePort;

/** An unused thread ends after it. */
const IDLE_MS = 30_000;

/**
 * The address of a thread's file beside the one that asks: `threadFile(import.meta.url, './report.thread')`. Its default
 * export takes the task. Thread files know no Nest and no database: what they need is in the task.
 */
export function threadFile(askedFrom: string, path: string): string {
  return new URL(`${path}${askedFrom.endsWith('.ts') ? '.ts' : '.js'}`, askedFrom).href;
}

@Injectable()
export class ThreadPools implements OnApplicationShutdown {
  private readonly pools = new Map<ThreadKind, Piscina>();

  constructor(private readonly config: AppConfig) {}

  /**
   * Runs the default export of `file` with `task` (structured clone) in a thread of the pool, and gives its answer. Waits
   * for a free thread. Rejects with what the thread threw, with an AbortError after `signal`, and when the thread crashed
   * (out of memory, process.exit).
   */
  run<T>(kind: ThreadKind, file: string, task: unknown, { signal, transfer = [] }: ThreadOptions): Promise<T> {
    signal.throwIfAborted();
    return this.pool(kind).run(task, { filename: file, signal, transferList: [...transfer] as never }) as Promise<T>;
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
  }

  private pool(kind: ThreadKind): Piscina {
    const known = this.pools.get(kind);
    if (known) return known;
    const { memoryMib, [kind]: threads } = this.config.threads;
    const made = new Piscina({
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE_MS,
      resourceLimits: { maxOldGenerationSizeMb: memoryMib },
      // The sources, not the build, in development and tests.
      execArgv: import.meta.url.endsWith('.ts') ? ['--import', '@swc-node/register/esm-register', '--no-warnings'] : [],
    });
    this.pools.set(kind, made);
    return made;
  }
}
