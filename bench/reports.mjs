// CPU of a task report by the script of its titles: node bench/reports.mjs [--tasks=5000] [--letters=20] [--only=ascii,mixed]
// Each report is drawn by a process of its own, which first opens its fonts, as a new thread does. Titles are random letters:
// no word comes twice, so no layout is reused. Natural titles cost less.
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '5000' },
    letters: { type: 'string', default: '20' },
    only: { type: 'string', default: '' },
    draw: { type: 'string' }, // for the child: one script
  },
});
const [tasks, letters] = [Number(values.tasks), Number(values.letters)];

let state = 20_260_513;
const below = (limit) => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) % limit;
const pick = (...ranges) => {
  const [first, count] = ranges[below(ranges.length)];
  return String.fromCodePoint(first + (below(1 << 24) % count));
};
const many = (one) => () => Array.from({ length: letters }, one).join('');
const words = (list) => () => {
  let title = '';
  while (title.length < letters) title += `${list[below(list.length)]} `;
  return title.slice(0, letters);
};

const englishWords = words(
  'prepare the quarterly review of all open contracts with finance before Friday and send it'.split(' '),
);
const LATIN = [[0x61, 26]];
const MIXED = [
  [0x4e00, 20_000],
  [0x628, 20],
  [0x915, 30],
  [0xac00, 11_000],
  [0x1f300, 500],
  [0xe01, 40],
];
const TITLES = {
  'English words': englishWords,
  'English with rare letters': () => englishWords() + (below(3) === 0 ? pick([0xa0, 0xd760], [0xf900, 0x6fe]) : ''),
  'English with 39 letters': () =>
    englishWords() + (below(5) === 0 ? String.fromCodePoint(0x4e00 + below(39) * 300) : ''),
  'ASCII letters': many(() => pick(...LATIN)),
  'Latin with accents': many(() => pick([0xc0, 0x180])),
  'Latin, Greek, Cyrillic': many(() => pick([0xa0, 0x490])),
  Greek: many(() => pick([0x3b1, 25])),
  Cyrillic: many(() => pick([0x430, 32])),
  Hebrew: many(() => pick([0x5d0, 27])),
  Arabic: many(() => pick([0x628, 19])),
  Hindi: many(() => pick([0x915, 36], [0x93e, 16])),
  Tamil: many(() => pick([0xb85, 70])),
  Khmer: many(() => pick([0x1780, 83])),
  Myanmar: many(() => pick([0x1000, 80])),
  Thai: many(() => pick([0xe01, 58])),
  Korean: many(() => pick([0xac00, 11_172])),
  Chinese: many(() => pick([0x4e00, 20_000])),
  emoji: many(() => pick([0x1f300, 500])),
  mixed: many(() => pick(...MIXED)),
  'any letters': many(() => pick([0xa0, 0xd760], [0xf900, 0x6fe], [0x10000, 0x3fff])),
};

if (values.draw) await draw(values.draw);
else {
  const only = values.only ? values.only.split(',') : Object.keys(TITLES);
  for (const script of only) {
    const output = execFileSync(process.execPath, [import.meta.filename, `--draw=${script}`, `--tasks=${tasks}`, `--letters=${letters}`]); // prettier-ignore
    const { cpu, bytes, extra, fontFiles, kib } = JSON.parse(output);
    console.log(
      `${script.padEnd(20)} ${cpu.toFixed(1).padStart(5)} s  ${String(bytes).padStart(8)} bytes of titles, ${String(extra).padStart(7)} more than letters, ${String(fontFiles).padStart(3)} font files, PDF ${kib} KiB`,
    );
  }
}

async function draw(script) {
  const { drawReport } = await import('../dist/src/tasks/report/report-document.js');
  const { countFontFiles } = await import('../dist/src/shared/libs/typesetting/faces.js');
  const createdAt = Date.parse('2026-01-02');
  const rows = Array.from({ length: tasks }, () => ({
    title: TITLES[script](),
    status: 'TODO',
    priority: 3,
    dueAt: null,
    createdAt,
  }));
  const text = rows.map(({ title }) => title).join('');
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  try {
    const before = process.cpuUsage();
    const { bytes } = await drawReport({
      path: join(folder, 'report.pdf'),
      owner: 'Ada',
      now: createdAt,
      rows,
      onProgress: () => {},
    });
    const { user, system } = process.cpuUsage(before);
    console.log(
      JSON.stringify({
        cpu: (user + system) / 1e6,
        bytes: Buffer.byteLength(text),
        extra: Buffer.byteLength(text) - [...text].length,
        fontFiles: countFontFiles([text]),
        kib: Math.round(bytes / 1024),
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
