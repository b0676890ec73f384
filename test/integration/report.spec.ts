// The PDF report of a user's tasks, drawn in a thread: its content, and the responsiveness of the main process.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ThreadSettings } from '../../src/workers/threads/threads.settings.js';
import { type ReportOrder, renderReport } from '../../src/tasks/report/render-report.js';
import type { RenderedReport, ReportTask } from '../../src/tasks/report/report-task.js';
import { threadFile, ThreadPools } from '../../src/workers/threads/thread-pools.js';
import { testConfig } from '../support/config.js';
import { pictureOf, popplerInstalled, propertiesOf, textOfPages } from '../support/files/pdf.js';
import { measurePauses } from '../support/server/event-loop-pause.mjs';
import { until } from '../support/time/until.js';

jest.setTimeout(180_000); // each thread compiles its sources at the start, which is slow on a busy machine

const NOW = '2026-05-13T09:30:00.000Z';
const DAY = 86_400_000;
/** The position of the first table row on the first page. */
const ROWS_FROM = 386;
/** Titles, each in one script. */
const SCRIPTS = {
  Arabic: 'مراجعة التقرير السنوي',
  Hebrew: 'בדיקת הדוח השנתי',
  Chinese: '准备第三季度财务报告',
  Japanese: 'レビューの資料を準備する',
  Korean: '분기 보고서 준비하기',
  Thai: 'เตรียมรายงานประจำไตรมาส',
  Hindi: 'तिमाही समीक्षा की तैयारी',
  Greek: 'Προετοιμασία της ανασκόπησης',
  Cyrillic: 'Подготовить квартальный отчёт',
  Vietnamese: 'Chuẩn bị báo cáo quý',
  German: 'Überprüfung größter Verträge',
  Georgian: 'გეგმის მომზადება',
};

let folder: string;
let pools: ThreadPools;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-'));
  pools = openPools();
});

afterAll(async () => {
  await pools.onApplicationShutdown();
  await rm(folder, { recursive: true });
});

function openPools(env: Record<string, string> = {}): ThreadPools {
  return new ThreadPools(testConfig('postgres://nowhere/none', env).get(ThreadSettings));
}

function makeTask(task: Partial<ReportTask> = {}): ReportTask {
  const createdAt = '2026-01-02T03:04:05.000Z';
  return { title: 'A task', status: 'TODO', priority: 3, dueAt: null, createdAt, ...task };
}

function dueIn(days: number, task: Partial<ReportTask> = {}): ReportTask {
  return makeTask({ dueAt: new Date(Date.parse(NOW) + days * DAY).toISOString(), ...task });
}

async function* pagesOf(tasks: ReportTask[], size = 500): AsyncGenerator<ReportTask[]> {
  for (let at = 0; at < tasks.length; at += size) yield tasks.slice(at, at + size);
}

let files = 0;

async function render(
  tasks: ReportTask[],
  order: Partial<ReportOrder> = {},
): Promise<RenderedReport & { path: string }> {
  const path = join(folder, `${files++}.pdf`);
  const signal = new AbortController().signal;
  const whole = {
    path,
    owner: 'Ada Lovelace',
    generatedAt: NOW,
    pages: pagesOf(tasks),
    threads: 'render' as const,
    maxFontFiles: Infinity,
    signal,
    onProgress: () => {},
  };
  const rendered = await renderReport(pools, { ...whole, ...order });
  if (rendered === 'TOO_MANY_FONTS') throw new Error(rendered);
  return { ...rendered, path };
}

function many(count: number): ReportTask[] {
  const statuses = ['TODO', 'IN_PROGRESS', 'DONE'] as const;
  return Array.from({ length: count }, (_, index) =>
    dueIn((index % 300) - 100, {
      title: `Task number ${index} of the quarterly review${index % 3 === 0 ? ', with all that belongs to it and more' : ''}`,
      status: statuses[index % 3],
      priority: (index % 5) + 1,
    }),
  );
}

describe('the process that requests a report', () => {
  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('stays responsive while 10,000 tasks are drawn, and receives the progress', async () => {
    const tasks = many(10_000);
    await render(tasks.slice(0, 500)); // warms up
    let shortest = Infinity;
    // A garbage collection may fall into one measurement, but not into each.
    for (let attempt = 0; attempt < 3 && shortest >= 50; attempt++) {
      const longestPause = measurePauses();
      const received: number[] = [];
      const report = await render(tasks, { onProgress: (percent) => received.push(percent) });
      shortest = Math.min(shortest, await longestPause());
      expect(report).toMatchObject({ tasks: 10_000, bytes: (await stat(report.path)).size });
      expect(received).toEqual([...new Set(received)].sort((a, b) => a - b));
      expect(received.at(-1)).toBe(100);
      expect(received.length).toBeGreaterThan(20);
    }
    expect(shortest).toBeLessThan(50);
  });

  it('reads the next page of tasks only when the thread has taken the last one', async () => {
    let asked = 0;
    let running = 0;
    const pages = (async function* () {
      for (; asked < 20; asked++) {
        expect(++running).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        yield [makeTask()];
      }
    })();
    expect(await render([], { pages })).toMatchObject({ tasks: 20 });
  });

  it('can abort the drawing', async () => {
    const stop = new AbortController();
    const drawing = render(many(20_000), {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('not wanted any more')),
    });
    await expect(drawing).rejects.toThrow('not wanted any more');
    expect(await render([makeTask()])).toMatchObject({ pages: 1 });
  });

  it('can abort the drawing while a page of tasks never arrives', async () => {
    const stop = new AbortController();
    let asked = false;
    const pages = { [Symbol.asyncIterator]: () => ({ next: () => ((asked = true), new Promise<never>(() => {})) }) };
    const drawing = render([], { pages, signal: stop.signal });
    drawing.catch(() => undefined); // awaited below
    await until(() => asked, 'the request for the first page');
    stop.abort(new Error('enough'));
    await expect(drawing).rejects.toThrow('enough');
  });

  it('receives the errors of the task source, of the progress callback and of the thread', async () => {
    const pages = (async function* () {
      yield [makeTask()];
      throw new Error('the database is away');
    })();
    await expect(render([], { pages })).rejects.toThrow('the database is away');
    const onProgress = (): never => {
      throw new Error('the row is not mine');
    };
    await expect(render([makeTask()], { onProgress })).rejects.toThrow('the row is not mine');
    await expect(render([makeTask()], { path: join(folder, 'none', 'x.pdf') })).rejects.toThrow('ENOENT');
  });

  it.each([
    ['runs out of memory', '32', (some: ThreadPools) => some, /memory/],
    ['ends in the middle', '512', inAnotherFile, /exited with code: 3/],
  ])('receives an error when the thread %s, and stops reading tasks', async (_how, memory, change, message) => {
    const some = openPools({ THREAD_MEMORY: memory });
    let closed = false;
    const pages = (async function* () {
      try {
        for (const page = many(500); ;) yield page;
      } finally {
        closed = true;
      }
    })();
    const order = {
      path: join(folder, 'never.pdf'),
      owner: 'A',
      generatedAt: NOW,
      pages,
      threads: 'render',
      maxFontFiles: Infinity,
      onProgress: () => {},
    } as const;
    const drawing = renderReport(change(some), { ...order, signal: new AbortController().signal });
    await expect(drawing).rejects.toThrow(message);
    await until(() => closed, 'the pages to be closed');
    await some.onApplicationShutdown();
  });

  it('gets the same report from the built thread file', async () => {
    const path = join(folder, 'build.pdf');
    const url = (file: string): string => pathToFileURL(join('dist/src', file)).href;
    const script = `
      import { renderReport } from '${url('tasks/report/render-report.js')}';
      import { ThreadPools } from '${url('workers/threads/thread-pools.js')}';
      const pools = new ThreadPools({ render: 1, longRender: 1, data: 1, memoryMib: 256 });
      const pages = (async function* () { yield [${JSON.stringify(makeTask({ title: SCRIPTS.Arabic }))}]; })();
      const order = { path: ${JSON.stringify(path)}, owner: 'Ada', generatedAt: '${NOW}', pages, threads: 'render', onProgress() {} };
      console.log(JSON.stringify(await renderReport(pools, { ...order, signal: new AbortController().signal })));
      await pools.onApplicationShutdown();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(JSON.parse(stdout)).toMatchObject({ pages: 1, tasks: 1 });
    expect((await readFile(path, 'latin1')).slice(0, 5)).toBe('%PDF-');
  });
});

/** A thread that asks for tasks like the report, and exits at the first. */
function inAnotherFile(some: ThreadPools): ThreadPools {
  const file = threadFile(import.meta.url, '../support/jobs/misbehaving.thread');
  const run: ThreadPools['run'] = (kind, _file, task, options) =>
    some.run(kind, file, { kind: 'exit after a message', port: (task as { port: MessagePort }).port }, options);
  return Object.assign(Object.create(ThreadPools.prototype) as ThreadPools, { run });
}

const suite = popplerInstalled ? describe : describe.skip;

suite('the PDF document (with poppler-utils)', () => {
  it('contains the user, the time and the figures', async () => {
    const { path } = await render([
      dueIn(-3, { title: 'Late' }),
      dueIn(-3, { title: 'Late, but done', status: 'DONE' }),
      dueIn(2, { title: 'Soon', status: 'IN_PROGRESS', priority: 5 }),
      dueIn(40, { title: 'Later' }),
      makeTask({ title: 'Some day' }),
    ]);
    const [text = ''] = await textOfPages(path);
    expect(text).toMatch(/Task report\s+Ada Lovelace\s+Generated 13 May 2026, 09:30 UTC/);
    expect(text).toMatch(/5 +20% +1 +1 +1\s+tasks +done +overdue +due within 7 days +without due date/);
    expect(text).toMatch(/To do +3 · 60%[^]*In progress +1 · 20%[^]*Done +1 · 20%/);
    expect(text).toMatch(/Title +Status +Priority +Due +Created/);
    expect(text).toMatch(/Soon +In progress +5 +15 May 2026 +02 Jan 2026/);
    expect(text).toMatch(/Some day +To do +3 +– +02 Jan 2026/);
    expect(text).toMatch(/Task report +Ada Lovelace +Page 1 of 1/);
    const written = { Title: 'Task report', Author: 'Holdfast', CreationDate: '2026-05-13T09:30:00Z', Pages: '1' };
    expect(await propertiesOf(path)).toMatchObject({ ...written, 'Page size': '595.28 x 841.89 pts (A4)' });
  });

  it('contains the charts in their colours', async () => {
    const [overdue, upcoming, toDo, inProgress, done] = ['#c4402f', '#7fa3d1', '#9aa8b8', '#2b5fa4', '#3a9467'];
    const tasks = [dueIn(-8), dueIn(-8), dueIn(9), makeTask({ status: 'DONE' }), makeTask({ status: 'IN_PROGRESS' })];
    const picture = await pictureOf((await render(tasks)).path, 1);
    const statuses = picture.colors(42, 220, 190, 130);
    const dates = picture.colors(262, 225, 291, 130);
    for (const color of [toDo, inProgress, done]) expect(statuses.get(color)).toBeGreaterThan(500);
    expect(statuses.get(toDo)).toBeGreaterThan(2 * (statuses.get(done) as number));
    const [red, blue] = [dates.get(overdue), dates.get(upcoming)] as [number, number];
    expect(red / blue).toBeCloseTo(2, 0); // two columns, one twice as high

    const plain = await pictureOf((await render([makeTask()])).path, 1);
    expect([...plain.colors(262, 205, 291, 150).keys()]).not.toContain(upcoming);
  });

  it('has one page when there are no tasks', async () => {
    const { path, pages, tasks } = await render([]);
    const texts = await textOfPages(path);
    expect({ pages, tasks, texts: texts.length }).toEqual({ pages: 1, tasks: 0, texts: 1 });
    expect(texts[0]).toMatch(/0 +– +0 +0 +0\s+tasks +done[^]*There are no tasks\.[^]*Page 1 of 1/);
  });

  it('contains every task, with a table header and a number on each page', async () => {
    const tasks = many(1_000);
    const { path, pages } = await render(tasks);
    const texts = await textOfPages(path);
    expect(texts.length).toBe(pages);
    expect(pages).toBeGreaterThan(25);
    texts.forEach((text, index) => {
      expect(text).toMatch(/Title +Status +Priority +Due +Created/);
      expect(text).toContain(`Page ${index + 1} of ${pages}`);
    });
    const numbers = [...texts.join('').matchAll(/Task number (\d+) of/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(tasks.map((_, index) => index));
  });

  it('draws the glyphs of every script', async () => {
    const titles = Object.values(SCRIPTS);
    const unknown = '\u{10fff0}'.repeat(8);
    const { path } = await render([...titles, unknown].map((title) => makeTask({ title })));
    const [text = ''] = await textOfPages(path);
    for (const title of titles) expect(squeeze(text)).toContain(squeeze(title));
    const picture = await pictureOf(path, 1);
    const rows = [...titles, unknown].map((_, index) => picture.ink(48, ROWS_FROM + index * 20, 238, 20));
    for (const row of rows) expect(row.split('#').length - 1).toBeGreaterThan(150);
    expect(new Set(rows).size).toBe(rows.length);
    for (const row of rows.slice(0, -1)) expect(likeness(row, rows.at(-1) as string)).toBeLessThan(0.5); // not replacement boxes
  });

  it('draws right-to-left titles from the right edge, and mixed titles in reading order', async () => {
    const { path } = await render([
      makeTask({ title: 'שלום (עולם)' }),
      makeTask({ title: 'Call דוד about API 2.0' }),
      makeTask({ title: 'اتصل بـ John بخصوص API' }),
    ]);
    const picture = await pictureOf(path, 1);
    const inkIn = (row: number, x: number): number =>
      picture.ink(x, ROWS_FROM + row * 20, 119, 20).split('#').length - 1;
    expect([inkIn(0, 48), inkIn(2, 48)].map((ink) => ink > 0)).toEqual([false, false]);
    expect([inkIn(0, 167), inkIn(1, 48), inkIn(2, 167)].every((ink) => ink > 150)).toBe(true);
    const [text = ''] = await textOfPages(path);
    for (const title of ['שלוםעולם', 'CallדודaboutAPI2.0']) expect(squeeze(text).replace(/[()]/g, '')).toContain(title);
  });

  it('truncates long titles after two lines, and accepts every valid title', async () => {
    const { path, pages } = await render([
      makeTask({ title: `${'word '.repeat(39)}end` }),
      makeTask({ title: 'x'.repeat(200) }),
      makeTask({ title: 'tab\tand\nline\u0007break' }),
      makeTask({ title: '🚀👨‍👩‍👧 \u{e0001}\ufe0f emoji' }),
      makeTask({ title: '\u202eback\u202c\u2066' }),
      makeTask({ title: '\u0301\u200d\u064b' }),
      makeTask({ title: `e${'\u0301'.repeat(199)}` }),
      makeTask({ title: ' ' }),
    ]);
    const [text = ''] = await textOfPages(path);
    expect(pages).toBe(1);
    expect(text).not.toContain('end');
    expect(text.match(/(word|xxx|wo|wor|w)…/g)).toHaveLength(2);
    expect(text.match(/xxx/)).not.toBeNull();
    expect(text).toContain('tab and line break');
    expect(text).toMatch(/\S+ emoji/);
  });
});

/** poppler guesses the ends of words, and finds the joined forms of connected letters. */
function squeeze(text: string): string {
  return text.normalize('NFKC').replace(/\s/g, '');
}

/** Returns the share of common dark pixels; 1 when both images agree. */
function likeness(one: string, other: string): number {
  const dark = (picture: string): number[] => [...picture].flatMap((dot, at) => (dot === '#' ? [at] : []));
  const [first, second] = [dark(one), new Set(dark(other))];
  return first.filter((at) => second.has(at)).length / Math.max(first.length, second.size);
}
