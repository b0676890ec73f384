// The fonts of a report: selected by character, opened at first use.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { create, type Font } from 'fontkit';
import { GlyphSubset } from './glyph-subset.js';
import { cacheLayouts } from './layout-cache.js';
import { unpackFont } from './woff.js';

export type Weight = 400 | 700;

/** A font at one weight. Its name is unique; pdfkit relies on that. */
export interface Face {
  name: string;
  font: Font;
  /** Returns the width of a text at size 1. */
  widthOf: (text: string) => number;
}

interface Source {
  file: (weight: Weight) => string;
  /** The first and the last character of each range. */
  ranges: readonly (readonly [number, number])[];
}

const require = createRequire(import.meta.url);

/**
 * `sans` has Latin, Greek, Cyrillic and Devanagari; `sans-sc` has Chinese and Japanese, `sans-jp` the rarer characters of
 * Japanese.
 */
const NOTO =
  'sans sans-arabic sans-hebrew sans-sc sans-kr sans-thai sans-bengali sans-tamil sans-telugu sans-gujarati sans-kannada sans-malayalam sans-gurmukhi sans-oriya sans-sinhala sans-khmer sans-myanmar sans-lao sans-ethiopic sans-georgian sans-armenian sans-jp emoji'.split(
    ' ',
  );

/** Searched in this order. The last one looks coarse, but covers nearly every script. */
const SOURCES: Source[] = [
  ...NOTO.flatMap((name) =>
    webFamily(`@fontsource-variable/noto-${name}`, (subset) => `noto-${name}-${subset}-wght-normal.woff2`),
  ),
  wholeFile('@fontsource/unifont', () => 'files/unifont-latin-400-normal.woff'),
];

/** A font in many files; its `unicode.json` lists the characters of each: `{ "latin": "U+0000-00FF,U+0131" }`. */
function webFamily(name: string, fileOf: (subset: string) => string): Source[] {
  const folder = folderOf(name);
  const subsets = JSON.parse(readFileSync(join(folder, 'unicode.json'), 'utf8')) as Record<string, string>;
  return Object.entries(subsets).map(([subset, ranges]) => {
    return {
      file: () => join(folder, 'files', fileOf(subset.replace(/[[\]]/g, ''))),
      ranges: ranges.split(',').map((range) => {
        const [first, last = first] = range.slice(2).split('-') as [string, string?];
        return [parseInt(first, 16), parseInt(last, 16)] as const;
      }),
    };
  });
}

function wholeFile(name: string, fileOf: (weight: Weight) => string): Source {
  const folder = folderOf(name);
  return { file: (weight) => join(folder, fileOf(weight)), ranges: [[0, 0x10ffff]] };
}

function folderOf(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}

const opened = new Map<string, Face>();
const byCharacter = new Map<number, Face | undefined>();
/** The sources of each block of 256 characters, since a search through all ranges takes 0.1 ms. */
const byBlock = new Map<number, Source[]>();

/** Returns undefined when no font has the character. */
export function findFace(codePoint: number, weight: Weight): Face | undefined {
  const key = codePoint * 1000 + weight;
  if (!byCharacter.has(key)) byCharacter.set(key, lookFor(codePoint, weight));
  return byCharacter.get(key);
}

/**
 * Counts the files with the characters of all texts, without opening one: opening a file takes about 15 ms of CPU. A file may
 * lack a character that its list has, so the drawing may open some more.
 */
export function countFontFiles(texts: Iterable<string>): number {
  const characters = new Set<number>();
  for (const text of texts) for (const char of text) characters.add(char.codePointAt(0) as number);
  const files = new Set<Source | undefined>();
  for (const codePoint of characters)
    files.add(sourcesOfBlock(codePoint >> 8).find((source) => covers(source, codePoint, codePoint)));
  return files.size;
}

function lookFor(codePoint: number, weight: Weight): Face | undefined {
  for (const source of sourcesOfBlock(codePoint >> 8)) {
    if (!covers(source, codePoint, codePoint)) continue;
    const face = open(source.file(weight), weight);
    if (face.font.hasGlyphForCodePoint(codePoint)) return face;
  }
  return undefined;
}

function sourcesOfBlock(block: number): Source[] {
  const known = byBlock.get(block);
  if (known) return known;
  const found = SOURCES.filter((source) => covers(source, block << 8, (block << 8) | 0xff));
  byBlock.set(block, found);
  return found;
}

/** True when a range of the source has a character from `low` to `high`. */
function covers({ ranges }: Source, low: number, high: number): boolean {
  return ranges.some(([first, last]) => high >= first && low <= last);
}

function open(file: string, weight: Weight): Face {
  const name = `${file} ${weight}`;
  const known = opened.get(name);
  if (known) return known;
  const plain = create(unpackFont(readFileSync(file)));
  const font = 'wght' in plain.variationAxes ? plain.getVariation({ wght: weight }) : plain;
  // pdfkit treats two fonts of the same name as one, and all weights and files of a family share a name.
  Object.defineProperty(font, 'postscriptName', { value: `${font.postscriptName}-${weight}-${opened.size}` });
  const { advance, layout, glyphOf } = cacheLayouts(font);
  font.createSubset = () => new GlyphSubset(font, glyphOf);
  font.layout = layout;
  const { unitsPerEm } = font;
  const face = { name, font, widthOf: (text: string) => advance(text) / unitsPerEm };
  opened.set(name, face);
  return face;
}
