// Splits text into runs that one font can draw; a character that no font has becomes a box.
import { type LevelRun, isTurnedByFont } from './direction.js';
import { type Face, findFace, type Weight } from './faces.js';

export interface Run {
  text: string;
  face: Face;
}

const BOX = '□';
/** Characters that belong to the one before: marks, joiners, skin tones. */
const ATTACHED = /^(?:\p{M}|\p{Join_Control}|\p{Emoji_Modifier})$/u;
/** Invisible characters, for which a font without them would draw a box. Joiners stay: they change the letters beside them. */
const INVISIBLE = /(?!\p{Join_Control})\p{Default_Ignorable_Code_Point}/gu;
const ENDS_IN_LETTER = /[\p{L}\p{M}]$/u;
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** Splits a level run into runs of one font, from left to right. */
export function runsOf(levelRun: LevelRun, weight: Weight): Run[] {
  const runs = splitByFace(levelRun.text.replace(INVISIBLE, ''), weight);
  if (!levelRun.rightToLeft) return runs;
  return runs.reverse().map(({ text, face }) => ({ text: isTurnedByFont(text) ? text : backwards(text), face }));
}

function splitByFace(text: string, weight: Weight): Run[] {
  const runs: Run[] = [];
  for (const char of text) {
    const codePoint = char.codePointAt(0) as number;
    const last = runs.at(-1);
    const attached = ATTACHED.test(char);
    if (last && (attached || isWordSpace(char, last)) && last.face.font.hasGlyphForCodePoint(codePoint)) {
      last.text += char;
      continue;
    }
    const face = findFace(codePoint, weight);
    if (!face && attached) continue;
    const run = face ? { text: char, face } : { text: BOX, face: faceOfBox(weight) };
    if (last?.face === run.face) last.text += run.text;
    else runs.push(run);
  }
  return runs;
}

/** True for a space after a letter: it uses the font of the word. After an emoji it would be as wide as an emoji. */
function isWordSpace(char: string, before: Run): boolean {
  return char === ' ' && ENDS_IN_LETTER.test(before.text);
}

function faceOfBox(weight: Weight): Face {
  return findFace(BOX.charCodeAt(0), weight) as Face;
}

function backwards(text: string): string {
  return Array.from(graphemes.segment(text), ({ segment }) => segment)
    .reverse()
    .join('');
}
