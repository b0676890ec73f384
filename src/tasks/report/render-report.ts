// Renders a report in a thread: passes it the tasks page by page, and reports its progress and result.
import { MessageChannel } from 'node:worker_threads';
import { type ThreadKind, type ThreadPools, threadFile } from '../../workers/threads/thread-pools.js';
import type { FromThread, RenderResult, ReportInput, ReportSubject, ReportTask, ToThread } from './report-task.js';

export interface ReportOrder extends ReportSubject {
  /**
   * Pages of some 500 tasks. A page is read only when the thread asks for it. Copying a page to the thread blocks the event
   * loop for about 1 ms.
   */
  pages: AsyncIterable<ReportTask[]>;
  threads: ThreadKind;
  /** A report whose titles need more font files is not drawn. */
  maxFontFiles: number;
  /** Ends the drawing at any time. */
  signal: AbortSignal;
  /** Progress of the drawing, percent. It stays at 0 while the tasks are read. */
  onProgress: (percent: number) => void;
}

/**
 * Rejects with what `pages` or the thread threw, with an AbortError after `signal`, or when the thread died. A failure may
 * leave a part of the file.
 */
export async function renderReport(pools: ThreadPools, order: ReportOrder): Promise<RenderResult> {
  const { path, owner, generatedAt, maxFontFiles, pages, threads, signal, onProgress } = order;
  const { port1, port2 } = new MessageChannel();
  const tasks = pages[Symbol.asyncIterator]();
  const broken = new AbortController();
  const answer = async (message: FromThread): Promise<void> => {
    if (message.kind === 'progress') return onProgress(message.percent);
    const page = await tasks.next();
    port1.postMessage((page.done ? { end: true } : { rows: page.value }) satisfies ToThread);
  };
  port1.on('message', (message: FromThread) => void answer(message).catch((error: unknown) => broken.abort(error)));
  try {
    const input: ReportInput = { path, owner, generatedAt, maxFontFiles, port: port2 };
    return await pools.run(threads, threadFile(import.meta.url, './report.thread'), input, {
      signal: AbortSignal.any([signal, broken.signal]),
      transfer: [port2],
    });
  } catch (error) {
    broken.signal.throwIfAborted(); // throws the cause instead of the resulting AbortError
    throw error;
  } finally {
    port1.close();
    // Not awaited: a page that is still being read may never arrive. An error of it adds no information.
    void tasks.return?.().catch(() => undefined);
  }
}
