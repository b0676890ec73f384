// Data of a report, and the messages between the process and the drawing thread.
import type { MessagePort } from 'node:worker_threads';
import type { TaskStatus } from '../task.entity.js';

/** Times in ISO 8601. */
export interface ReportTask {
  title: string;
  status: TaskStatus;
  /** 1 (least) to 5 (most urgent). */
  priority: number;
  dueAt: string | null;
  createdAt: string;
}

/** Data of a report apart from its tasks. */
export interface ReportSubject {
  /** The file to write. The caller creates its folder, and removes what a failure leaves. */
  path: string;
  /** Name of the owner of the tasks, in any language. */
  owner: string;
  /** ISO 8601. Tasks that were due before it are overdue. */
  generatedAt: string;
}

/** The thread's task. The thread asks for the tasks through the port, page by page. */
export interface ReportInput extends ReportSubject {
  port: MessagePort;
  /** A report whose titles need more font files is not drawn. */
  maxFontFiles: number;
}

export interface RenderedReport {
  pages: number;
  tasks: number;
  bytes: number;
}

/** Result of the thread. `TOO_MANY_FONTS`: it drew nothing, because of `maxFontFiles`. */
export type RenderResult = RenderedReport | 'TOO_MANY_FONTS';

/** Messages from the thread. `next` asks for one page of tasks, so at most one is on its way. */
export type FromThread = { kind: 'next' } | { kind: 'progress'; percent: number };

/** Messages to the thread, one for each `next`. */
export type ToThread = { rows: ReportTask[] } | { end: true };
