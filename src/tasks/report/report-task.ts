// What a report is made of, and the words that the process and the drawing thread exchange.
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

/** What stands around the table. */
export interface ReportSubject {
  /** The file to write. Whoever asks for the report makes its folder, and removes what a failure leaves. */
  path: string;
  /** Name of the owner of the tasks, in any language. */
  owner: string;
  /** ISO 8601. Overdue is what was due before it. */
  generatedAt: string;
}

/** The thread's task. It asks for the tasks through the port, page by page, when it is ready for them. */
export interface ReportInput extends ReportSubject {
  port: MessagePort;
}

export interface RenderedReport {
  pages: number;
  tasks: number;
  bytes: number;
}

/** From the thread. `next` asks for a page of tasks, so there is never more than one under way. */
export type FromThread = { kind: 'next' } | { kind: 'progress'; percent: number };

/** To the thread, one for each `next`. */
export type ToThread = { rows: ReportTask[] } | { end: true };
