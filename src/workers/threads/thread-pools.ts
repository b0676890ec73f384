// Threads for CPU-bound work: one bounded pool per kind. Work in a thread cannot block or end the process.
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ThreadSettings } from './threads.settings.js';
import { ThreadPool, type ThreadOptions } from './thread-pool.js';

/**
 * `render`: draws documents. `longRender`: draws those that take long. `data`: reads, writes and counts tables. The environment
 * sets the size of each pool.
 */
export type ThreadKind = 'render' | 'longRender' | 'data';

/**
 * Returns the URL of a thread's file next to the calling file: `threadFile(import.meta.url, './report.thread')`. Its
 * default export receives the task. Thread files use no Nest and no database: the task contains all they need.
 */
export function threadFile(askedFrom: string, path: string): string {
  return new URL(`${path}${askedFrom.endsWith('.ts') ? '.ts' : '.js'}`, askedFrom).href;
}

@Injectable()
export class ThreadPools implements OnApplicationShutdown {
  private readonly pools = new Map<ThreadKind, ThreadPool>();

  constructor(private readonly settings: ThreadSettings) {}

  /**
   * Runs the default export of `file` with `task` (structured clone) in a thread of the pool, and returns its result. Waits
   * for a free thread. Rejects with what the thread threw (a clone that has lost its class), with the signal's reason, or
   * when the thread died (out of memory, process.exit).
   */
  async run<T>(kind: ThreadKind, file: string, task: unknown, options: ThreadOptions): Promise<T> {
    return (await this.pool(kind).run(file, task, options)) as T;
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.close()));
  }

  private pool(kind: ThreadKind): ThreadPool {
    const known = this.pools.get(kind);
    if (known) return known;
    const { memoryMib, [kind]: threads } = this.settings;
    const made = new ThreadPool(threads, memoryMib);
    this.pools.set(kind, made);
    return made;
  }
}
