// The types of fontkit, which brings none, as far as the report uses them.

declare module 'fontkit' {
  export interface Path {
    commands: { command: string; args: number[] }[];
    bbox: { minX: number; minY: number; maxX: number; maxY: number };
  }

  /** What pdfkit asks of a glyph that it writes. */
  export interface RunGlyph {
    id: number;
    /** The characters for which it stands. */
    codePoints: number[];
    advanceWidth: number;
  }

  export interface Glyph extends RunGlyph {
    path: Path;
  }

  export interface Position {
    xAdvance: number;
    yAdvance: number;
    xOffset: number;
    yOffset: number;
  }

  export interface GlyphRun {
    glyphs: RunGlyph[];
    positions: Position[];
    advanceWidth: number;
  }

  export interface Font {
    postscriptName: string;
    unitsPerEm: number;
    ascent: number;
    descent: number;
    bbox: Path['bbox'];
    /** Axes of a variable font; empty when it is none. */
    variationAxes: Record<string, { min: number; max: number }>;
    getVariation(settings: Record<string, number>): Font;
    getGlyph(id: number, codePoints?: number[]): Glyph;
    hasGlyphForCodePoint(codePoint: number): boolean;
    layout(text: string, features?: string[] | Record<string, boolean>): GlyphRun;
    createSubset(): unknown;
  }

  export function create(file: Uint8Array): Font;
}
