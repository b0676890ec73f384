// Writes text of any language on a page: picks fonts by character, handles right-to-left text, and breaks lines.
import { LRUCache } from 'lru-cache';
import type PDFDocument from 'pdfkit';
import { directionOf, levelRunsOf } from './direction.js';
import { type Run, runsOf } from './face-runs.js';
import type { Weight } from './faces.js';
import { type Broken, breakLines } from './line-break.js';

export interface Style {
  size: number;
  weight: Weight;
  color: string;
}

/** The position of a line: a box from `x`, `width` wide, with baseline `y`. `start` means right for right-to-left text. */
export interface Place {
  x: number;
  y: number;
  width: number;
  align?: 'start' | 'left' | 'center' | 'right';
}

/** Makes fontkit lay out the text in one run. pdfkit would split it at spaces and so reverse the order of Arabic words. */
const FEATURES: [] = [];

/**
 * Letters that change places or merge when they are shaped, as in Hindi and Thai. Such a line carries its original text for
 * search and copying. Right-to-left lines do not: some readers reverse their text a second time.
 */
const SHAPED = /[\p{M}\p{Join_Control}]/u;

/** A line that is ready to be drawn. */
interface Line {
  runs: Run[];
  widths: number[];
  rightToLeft: boolean;
  /** The original text, where readers cannot find it by the glyphs. */
  spoken: string | undefined;
}

/** Labels repeat: a row of a table has one title, and four labels of which there are few. */
const MAX_LABELS = 1_000;

export class Typesetter {
  private readonly labels = new LRUCache<string, Line[]>({ max: MAX_LABELS });

  constructor(private readonly pdf: InstanceType<typeof PDFDocument>) {}

  width(text: string, style: Style): number {
    return levelRunsOf(text, directionOf(text))
      .flatMap((levelRun) => runsOf(levelRun, style.weight))
      .reduce((sum, run) => sum + widthOf(run, style), 0);
  }

  break(text: string, width: number, maxLines: number, style: Style): Broken {
    return breakLines(tidy(text), width, maxLines, (part) => this.width(part, style));
  }

  /** Writes one line; an ellipsis replaces the text that does not fit. */
  write(text: string, place: Place, style: Style): void {
    const key = `${style.size} ${style.weight} ${place.width} ${text}`;
    const lines = this.labels.get(key) ?? linesOf(this.break(text, place.width, 1, style), style);
    this.labels.set(key, lines);
    this.draw(lines, place, 0, style);
  }

  /** Writes lines that `break` returned, `leading` apart. */
  writeLines(broken: Broken, place: Place, leading: number, style: Style): void {
    this.draw(linesOf(broken, style), place, leading, style);
  }

  private draw(lines: Line[], place: Place, leading: number, style: Style): void {
    lines.forEach((line, index) => {
      const align = place.align ?? 'start';
      if (line.spoken !== undefined) this.pdf.markContent('Span', { actual: line.spoken });
      this.drawLine(
        line,
        { ...place, y: place.y + index * leading, align: align === 'start' && line.rightToLeft ? 'right' : align },
        style,
      );
      if (line.spoken !== undefined) this.pdf.endMarkedContent();
    });
  }

  private drawLine({ runs, widths }: Line, { x, y, width, align }: Place, style: Style): void {
    this.pdf.fillColor(style.color);
    const left = width - widths.reduce((sum, one) => sum + one, 0);
    let at = x + (align === 'right' ? left : align === 'center' ? left / 2 : 0);
    runs.forEach((run, index) => {
      this.use(run, style).text(run.text, at, y, { lineBreak: false, baseline: 'alphabetic', features: FEATURES });
      at += widths[index] as number;
    });
  }

  private use({ face }: Run, { size }: Style): InstanceType<typeof PDFDocument> {
    return this.pdf.font(face.font as never, face.name, size);
  }
}

function linesOf({ text, lines }: Broken, style: Style): Line[] {
  const direction = directionOf(text);
  return lines.map(({ start, end }) => {
    const runs = levelRunsOf(text, direction, start, end).flatMap((levelRun) => runsOf(levelRun, style.weight));
    const logical = text.slice(start, end);
    return {
      runs,
      widths: runs.map((run) => widthOf(run, style)),
      rightToLeft: direction.rightToLeft,
      spoken: SHAPED.test(logical) && !direction.levels ? logical : undefined,
    };
  });
}

function widthOf({ text, face }: Run, { size }: Style): number {
  return face.widthOf(text) * size;
}

/**
 * Prepares a title, which may contain any storable text: line breaks and control characters become spaces. At most six marks
 * stay on a letter, as many as any language uses; more would be drawn over the lines above.
 */
function tidy(text: string): string {
  const oneLine = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return oneLine.replace(/(\p{M}{6})\p{M}+/gu, '$1');
}
