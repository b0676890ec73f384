// Thread that draws a report: first collects all tasks, because the totals are above the table, then writes the PDF.
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { drawReport } from './report-document.js';
import { type Row, toRow } from './report-row.js';
import { countFontFiles } from '../../shared/libs/typesetting/faces.js';
import type { FromThread, RenderResult, ReportInput, ReportTask, ToThread } from './report-task.js';

export default async function report(input: ReportInput): Promise<RenderResult> {
  const { port, path, owner, generatedAt, maxFontFiles } = input;
  const send = (message: FromThread): void => port.postMessage(message);
  const rows: Row[] = [];
  for await (const page of pagesFrom(port, send)) rows.push(...page.map(toRow));
  if (countFontFiles(rows.map(({ title }) => title)) > maxFontFiles) return 'TOO_MANY_FONTS';
  const onProgress = (percent: number): void => send({ kind: 'progress', percent });
  const document = await drawReport({ path, owner, now: Date.parse(generatedAt), rows, onProgress });
  port.close();
  return { ...document, tasks: rows.length };
}

async function* pagesFrom(port: MessagePort, send: (message: FromThread) => void): AsyncGenerator<ReportTask[]> {
  for (;;) {
    const answer = once(port, 'message');
    send({ kind: 'next' });
    const [message] = (await answer) as [ToThread];
    if ('end' in message) return;
    yield message.rows;
  }
}
