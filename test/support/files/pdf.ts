// Reads a PDF with the programs of poppler: its text, its properties, and its pages as images.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const folders = (process.env['PATH'] ?? '').split(':');

/** False without poppler-utils; suites that read PDFs are then skipped by name. */
export const popplerInstalled = ['pdftotext', 'pdftoppm', 'pdfinfo'].every((program) =>
  folders.some((folder) => existsSync(`${folder}/${program}`)),
);

async function poppler(program: string, args: string[]): Promise<Buffer> {
  const options = { encoding: 'buffer', maxBuffer: 2 ** 28 } as const;
  const { stdout, stderr } = await promisify(execFile)(program, args, options);
  if (stderr.length > 0) throw new Error(`${program} found a fault: ${stderr.toString()}`);
  return stdout;
}

/** Returns the text of each page in its layout, without the direction marks that pdftotext adds. */
export async function textOfPages(path: string): Promise<string[]> {
  const text = (await poppler('pdftotext', ['-layout', path, '-'])).toString();
  return text
    .replace(/[\u202a-\u202e]/g, '')
    .split('\f')
    .slice(0, -1);
}

/** Returns the output of `pdfinfo`: `{ Title: …, Pages: '3' }`. */
export async function propertiesOf(path: string): Promise<Record<string, string>> {
  const lines = (await poppler('pdfinfo', ['-isodates', path])).toString().split('\n');
  return Object.fromEntries(lines.map((line) => /^([^:]*):? *(.*)$/.exec(line)?.slice(1) as [string, string]));
}

/** A rendered page; lengths in points, colours as `#rrggbb`. */
export class Picture {
  constructor(
    private readonly pixels: Buffer,
    private readonly width: number,
    private readonly scale: number,
  ) {}

  /** Returns the colours in a part of the page with their number of pixels. */
  colors(x: number, y: number, width: number, height: number): Map<string, number> {
    const counts = new Map<string, number>();
    for (const at of this.offsets(x, y, width, height)) {
      const color = `#${this.pixels.toString('hex', at, at + 3)}`;
      counts.set(color, (counts.get(color) ?? 0) + 1);
    }
    return counts;
  }

  /** Returns a part of the page as dark and light dots, independent of colour. */
  ink(x: number, y: number, width: number, height: number): string {
    const offsets = this.offsets(x, y, width, height);
    return offsets.map((at) => ((this.pixels[at + 1] as number) < 160 ? '#' : ' ')).join('');
  }

  private offsets(x: number, y: number, width: number, height: number): number[] {
    const [left, top, across, down] = [x, y, width, height].map((length) => Math.round(length * this.scale)) as [
      number,
      number,
      number,
      number,
    ];
    return Array.from({ length: across * down }, (_, index) => {
      const row = top + Math.floor(index / across);
      return (row * this.width + left + (index % across)) * 3;
    });
  }
}

/** `page` counts from 1. */
export async function pictureOf(path: string, page: number): Promise<Picture> {
  const dotsPerInch = 144;
  const args = ['-r', String(dotsPerInch), '-f', String(page), '-l', String(page), path];
  const ppm = await poppler('pdftoppm', args);
  const header = /^P6\s+(\d+)\s+\d+\s+255\s/.exec(ppm.toString('latin1', 0, 40));
  if (!header) throw new Error('pdftoppm made no picture');
  return new Picture(ppm.subarray(header[0].length), Number(header[1]), dotsPerInch / 72);
}
