// Names and media types as people send them: data, of which only what is harmless is kept.
import { HttpErrors } from '../common/http/http.errors.js';
import { isVisible, normalize } from '../shared/libs/text.js';
import { UNKNOWN_TYPE } from '../storage/media-types/media-type.js';

const MAX_CHARACTERS = 255;
const MAX_TYPE = 100;

/** Controls break headers and logs; those of direction and line make a name look like another one. */
const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** What is no name but an attempt: parts of a path, controls (NUL, CR, LF), and the names of folders. */
const NO_NAME = /[/\\\p{Cc}]|^\.{1,2}$/u;

/** What browsers write for characters that cannot stand between quotes (WHATWG HTML, multipart/form-data); a `%` stays one. */
const BROWSER_ESCAPE = /%(22|0D|0A)/g;

const EXTENSION = /(?:\.tar)?\.[^.\s]{1,15}$/iu;

/** RFC 6838, 4.2, without parameters. */
const PLAIN_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;

/** Throws VALIDATION_FAILED for what is no name: who sends that is refused, not corrected. `field`: where it stood. */
export function expectFileName(field: string, given: string | undefined): void {
  if (given === undefined || given.trim() === '') return; // no name: it gets one
  if (!NO_NAME.test(given) && isVisible(given)) return;
  const message = `${field} must be a file name that can be seen, without parts of a path and control characters`;
  throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field, rule: 'isFileName', message }]);
}

/** As the file was called before a browser put the name into a form. */
export function withoutBrowserEscapes(name: string | undefined): string | undefined {
  return name?.replace(BROWSER_ESCAPE, (_escape, code: string) => String.fromCharCode(parseInt(code, 16)));
}

/** The last part of a path, without what cannot be seen; `file` where nothing is left. At most 255 code points. */
export function cleanFileName(given: string | undefined): string {
  const visible = normalize((given ?? '').toWellFormed()).replace(INVISIBLE, '');
  const name = visible.split(/[\\/]/).at(-1)?.trim() ?? '';
  return /^\.*$/.test(name) ? 'file' : shortened(name);
}

/** What is too long keeps its extension: it says how to open the file. */
function shortened(name: string): string {
  const characters = [...name];
  if (characters.length <= MAX_CHARACTERS) return name;
  const extension = EXTENSION.exec(name)?.[0] ?? '';
  return (
    characters
      .slice(0, MAX_CHARACTERS - [...extension].length)
      .join('')
      .trimEnd() + extension
  );
}

/** A plain `type/subtype`, without its parameters; else application/octet-stream. */
export function plainMediaType(given: string): string {
  const type = (given.split(';', 1)[0] as string).trim().toLowerCase();
  return type.length <= MAX_TYPE && PLAIN_TYPE.test(type) ? type : UNKNOWN_TYPE;
}
