// Writes text of any language on a page: fonts by character, right-to-left where it is due, lines broken to a width.
import type PDFDocument from 'pdfkit';
import { directionOf, visualPieces } from './direction.js';
import { type Run, runsOf } from './face-runs.js';
import type { Weight } from './faces.js';
import { type Broken, breakLines } from './line-break.js';

export interface Style {
  size: number;
  weight: Weight;
  color: string;
}

/** Where a line of text stands: in a box from `x`, `width` wide, on its baseline `y`. `start` is right for right-to-left text. */
export interface Place {
  x: number;
  y: number;
  width: number;
  align?: 'start' | 'left' | 'center' | 'right';
}

/** Layout goes through fontkit in one run, without pdfkit's cutting at spaces, which would turn words of Arabic around. */
const FEATURES: [] = [];

/**
 * Letters that change places or melt when they are shaped, as in Hindi and Thai: such a line carries its text as it is
 * written, for who searches or copies. Not right-to-left lines: some readers turn their text around once more.
 */
const SHAPED = /[\p{M}\p{Join_Control}]/u;

export class Typesetter {
  constructor(private readonly pdf: InstanceType<typeof PDFDocument>) {}

  width(text: string, style: Style): number {
    return visualPieces(text, directionOf(text))
      .flatMap((piece) => runsOf(piece, style.weight))
      .reduce((sum, run) => sum + widthOf(run, style), 0);
  }

  break(text: string, width: number, maxLines: number, style: Style): Broken {
    return breakLines(tidy(text), width, maxLines, (part) => this.width(part, style));
  }

  /** One line; what does not fit gives way to an ellipsis. */
  write(text: string, place: Place, style: Style): void {
    this.writeLines(this.break(text, place.width, 1, style), place, 0, style);
  }

  /** Lines that were broken before, `leading` apart. */
  writeLines({ text, lines }: Broken, place: Place, leading: number, style: Style): void {
    const direction = directionOf(text);
    lines.forEach(({ start, end }, index) => {
      const pieces = visualPieces(text, direction, start, end);
      const align = place.align ?? 'start';
      const logical = text.slice(start, end);
      const isSpoken = SHAPED.test(logical) && !direction.levels;
      if (isSpoken) this.pdf.markContent('Span', { actual: logical });
      this.writeRuns(
        pieces.flatMap((piece) => runsOf(piece, style.weight)),
        { ...place, y: place.y + index * leading, align: align === 'start' && direction.rightToLeft ? 'right' : align },
        style,
      );
      if (isSpoken) this.pdf.endMarkedContent();
    });
  }

  private writeRuns(runs: Run[], { x, y, width, align }: Place, style: Style): void {
    this.pdf.fillColor(style.color);
    const widths = runs.map((run) => widthOf(run, style));
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

function widthOf({ text, face }: Run, { size }: Style): number {
  return face.widthOf(text) * size;
}

/**
 * Titles may hold anything that can be stored: line breaks and control characters become spaces. No language stacks more
 * marks on a letter than six; more would be scribbled over the lines above.
 */
function tidy(text: string): string {
  const oneLine = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return oneLine.replace(/(\p{M}{6})\p{M}+/gu, '$1');
}
