// Threads for work that burns CPU: one bounded pool for each kind of it. What happens in a thread cannot block or end the process.
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';
import { ThreadPool, type ThreadOptions } from './thread-pool.js';

/** `render`: draws documents. `data`: reads, writes and counts tables. Each has its size in the environment. */
export type ThreadKind = 'render' | 'data';

/**
 * The address of a thread's file beside the one that asks: `threadFile(import.meta.url, './report.thread')`. Its default
 * export takes the task. Thread files know no Nest and no database: what they need is in the task.
 */
export function threadFile(askedFrom: string, path: string): string {
  return new URL(`${path}${askedFrom.endsWith('.ts') ? '.ts' : '.js'}`, askedFrom).href;
}

@Injectable()
export class ThreadPools implements OnApplicationShutdown {
  private readonly pools = new Map<ThreadKind, ThreadPool>();

  constructor(private readonly config: AppConfig) {}

  /**
   * Runs the default export of `file` with `task` (structured clone) in a thread of the pool, and gives its answer. Waits
   * for a free thread. Rejects with what the thread threw (a clone: its class is lost), with the signal's reason, and
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
    const { memoryMib, [kind]: threads } = this.config.threads;
    const made = new ThreadPool(threads, memoryMib);
    this.pools.set(kind, made);
    return made;
  }
}
