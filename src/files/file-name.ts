// Names and media types as people send them: data, of which only what is harmless is kept.
import { HttpErrors } from '../common/http.errors.js';
import { isVisible, normalize } from '../shared/libs/text.js';
import { UNKNOWN_TYPE } from './blobs/media-type.js';

const MOST_CHARACTERS = 255;
const LONGEST_TYPE = 100;

/** Controls break headers and logs; those of direction and line make a name look like another one. */
const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** What is no name but an attempt: parts of a path, controls (NUL, CR, LF), and the names of folders. */
const NO_NAME = /[/\\\p{Cc}]|^\.{1,2}$/u;

/** RFC 6838, 4.2, without parameters. */
const PLAIN_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;

/** Throws VALIDATION_FAILED for what is no name: who sends that is refused, not corrected. `field`: where it stood. */
export function expectFileName(field: string, given: string | undefined): void {
  if (given === undefined || given.trim() === '') return; // no name: it gets one
  if (!NO_NAME.test(given) && isVisible(given)) return;
  const message = `${field} must be a file name that can be seen, without parts of a path and control characters`;
  throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field, rule: 'isFileName', message }]);
}

/** The last part of a path, without what cannot be seen; `file` where nothing is left. At most 255 code points. */
export function cleanFileName(given: string | undefined): string {
  const visible = normalize((given ?? '').toWellFormed()).replace(INVISIBLE, '');
  const name = visible.split(/[\\/]/).at(-1)?.trim() ?? '';
  return /^\.*$/.test(name) ? 'file' : [...name].slice(0, MOST_CHARACTERS).join('').trimEnd();
}

/** A plain `type/subtype`, else application/octet-stream. */
export function plainMediaType(given: string): string {
  const type = given.trim().toLowerCase();
  return type.length <= LONGEST_TYPE && PLAIN_TYPE.test(type) ? type : UNKNOWN_TYPE;
}
