// Writes a subset of a font as TrueType with plain outlines: fontkit cannot embed one weight of a variable font.
import type { Font, Glyph } from 'fontkit';

/** The subset interface that pdfkit uses: it includes glyphs by number, then encodes the file. */
export class GlyphSubset {
  private readonly glyphs: number[] = [0];
  private readonly places = new Map([[0, 0]]);

  /** `glyphOf` maps our glyph number to the font's glyph number. */
  constructor(
    private readonly font: Font,
    private readonly glyphOf: (number: number) => number,
  ) {}

  /** Adds a glyph and returns its number in the subset. */
  includeGlyph(number: number): number {
    const known = this.places.get(number);
    if (known !== undefined) return known;
    this.places.set(number, this.glyphs.length);
    return this.glyphs.push(number) - 1;
  }

  encode(): Buffer {
    const glyphs = this.glyphs.map((number) => this.font.getGlyph(this.glyphOf(number)));
    const outlines = glyphs.map(encodeOutline);
    const loca = Buffer.alloc((glyphs.length + 1) * 4);
    outlines.reduce(
      (offset, outline, index) => loca.writeUInt32BE(offset + outline.length, index * 4 + 4) && offset + outline.length,
      0,
    );
    return encodeTables({
      glyf: Buffer.concat(outlines),
      head: this.head(),
      hhea: this.hhea(),
      hmtx: Buffer.concat(glyphs.map(encodeMetrics)),
      loca,
      maxp: this.maxp(),
    });
  }

  private head(): Buffer {
    const { bbox, unitsPerEm } = this.font;
    const head = Buffer.alloc(54);
    head.writeUInt32BE(0x00010000, 0);
    head.writeUInt32BE(0x5f0f3cf5, 12);
    head.writeUInt16BE(unitsPerEm, 18);
    [bbox.minX, bbox.minY, bbox.maxX, bbox.maxY].forEach((value, index) => head.writeInt16BE(value, 36 + index * 2));
    head.writeInt16BE(1, 50); // 32-bit offsets
    return head;
  }

  private hhea(): Buffer {
    const hhea = Buffer.alloc(36);
    hhea.writeUInt32BE(0x00010000, 0);
    hhea.writeInt16BE(this.font.ascent, 4);
    hhea.writeInt16BE(this.font.descent, 6);
    hhea.writeUInt16BE(this.glyphs.length, 34);
    return hhea;
  }

  private maxp(): Buffer {
    const maxp = Buffer.alloc(32);
    maxp.writeUInt32BE(0x00010000, 0);
    maxp.writeUInt16BE(this.glyphs.length, 4);
    maxp.writeUInt16BE(0xffff, 6); // points
    maxp.writeUInt16BE(0xffff, 8); // contours
    maxp.writeUInt16BE(1, 14);
    return maxp;
  }
}

function encodeMetrics(glyph: Glyph): Buffer {
  const metrics = Buffer.alloc(4);
  metrics.writeUInt16BE(Math.round(glyph.advanceWidth), 0);
  metrics.writeInt16BE(glyph.path.commands.length === 0 ? 0 : Math.round(glyph.path.bbox.minX), 2);
  return metrics;
}

/** Writes absolute 16-bit points with one flag each; a compact form is not needed because pdfkit deflates the result. */
function encodeOutline({ path }: Glyph): Buffer {
  const ends: number[] = [];
  const [xs, ys, flags]: [number[], number[], number[]] = [[], [], []];
  for (const { command, args } of path.commands) {
    if (command === 'closePath') ends.push(xs.length - 1);
    for (let at = 0; at < args.length; at += 2) {
      xs.push(Math.round(args[at] as number));
      ys.push(Math.round(args[at + 1] as number));
      flags.push(at === args.length - 2 ? 1 : 0); // 1: on the curve
    }
  }
  if (ends.length === 0) return Buffer.alloc(0);
  const outline = Buffer.alloc((10 + ends.length * 2 + 2 + xs.length * 5 + 3) & ~3);
  const { minX, minY, maxX, maxY } = path.bbox;
  let at = outline.writeInt16BE(ends.length, 0);
  for (const edge of [Math.floor(minX), Math.floor(minY), Math.ceil(maxX), Math.ceil(maxY)])
    at = outline.writeInt16BE(edge, at);
  for (const end of ends) at = outline.writeUInt16BE(end, at);
  at += 2; // no instructions
  outline.set(flags, at);
  at += flags.length;
  for (const axis of [xs, ys]) {
    let before = 0;
    for (const value of axis) {
      at = outline.writeInt16BE(value - before, at);
      before = value;
    }
  }
  return outline;
}

/** The checksums stay 0: no PDF reader checks them. */
function encodeTables(tables: Record<string, Buffer>): Buffer {
  const entries = Object.entries(tables);
  const header = Buffer.alloc(12 + 16 * entries.length);
  header.writeUInt32BE(0x00010000, 0);
  header.writeUInt16BE(entries.length, 4);
  const parts: Buffer[] = [header];
  let offset = header.length;
  entries.forEach(([tag, data], index) => {
    const entry = 12 + index * 16;
    header.write(tag, entry, 'latin1');
    header.writeUInt32BE(offset, entry + 8);
    header.writeUInt32BE(data.length, entry + 12);
    const padding = Buffer.alloc(-data.length & 3);
    parts.push(data, padding);
    offset += data.length + padding.length;
  });
  return Buffer.concat(parts);
}
