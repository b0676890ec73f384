// Type declarations for the parts of fontkit that the report uses; fontkit has none of its own.

declare module 'fontkit' {
  export interface Path {
    commands: { command: string; args: number[] }[];
    bbox: { minX: number; minY: number; maxX: number; maxY: number };
  }

  /** The members that pdfkit reads from a glyph. */
  export interface RunGlyph {
    id: number;
    /** The characters that the glyph represents. */
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
    /** The axes of a variable font; empty for other fonts. */
    variationAxes: Record<string, { min: number; max: number }>;
    getVariation(settings: Record<string, number>): Font;
    getGlyph(id: number, codePoints?: number[]): Glyph;
    hasGlyphForCodePoint(codePoint: number): boolean;
    /** One glyph for each character, without shaping. */
    glyphsForString(text: string): Glyph[];
    layout(text: string, features?: string[] | Record<string, boolean>): GlyphRun;
    createSubset(): unknown;
  }

  export function create(file: Uint8Array): Font;
}
