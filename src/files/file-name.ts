// Cleans file names and media types that clients send.
import { HttpErrors } from '../common/http/http.errors.js';
import { isVisible, normalize } from '../shared/libs/text.js';
import { UNKNOWN_TYPE } from '../storage/media-types/media-type.js';

const MAX_CHARACTERS = 255;
const MAX_TYPE = 100;

/** Control characters break headers and logs; bidi and line characters make a name look like another one. */
const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Dangerous instead of a name: parts of a path, control characters (NUL, CR, LF), and the names of folders. */
const NO_NAME = /[/\\\p{Cc}]|^\.{1,2}$/u;

/** Escapes of browsers for characters that are not allowed between quotes (WHATWG HTML, multipart/form-data). A `%` stays. */
const BROWSER_ESCAPE = /%(22|0D|0A)/g;

const EXTENSION = /(?:\.tar)?\.[^.\s]{1,15}$/iu;

/** RFC 6838, 4.2, without parameters. */
const PLAIN_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;

/** Throws VALIDATION_FAILED for an invalid file name; it is not corrected. `field`: name of the field that contains it. */
export function expectFileName(field: string, given: string | undefined): void {
  if (given === undefined || given.trim() === '') return; // no name: the file gets a default name
  if (!NO_NAME.test(given) && isVisible(given)) return;
  const message = `${field} must be a file name that can be seen, without parts of a path and control characters`;
  throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field, rule: 'isFileName', message }]);
}

/** Returns the name as it was before a browser escaped it for the form. */
export function withoutBrowserEscapes(name: string | undefined): string | undefined {
  return name?.replace(BROWSER_ESCAPE, (_escape, code: string) => String.fromCharCode(parseInt(code, 16)));
}

/** Returns the last part of a path without invisible characters, at most 255 code points; `file` when nothing is left. */
export function cleanFileName(given: string | undefined): string {
  const visible = normalize((given ?? '').toWellFormed()).replace(INVISIBLE, '');
  const name = visible.split(/[\\/]/).at(-1)?.trim() ?? '';
  return /^\.*$/.test(name) ? 'file' : shortened(name);
}

/** Shortens a name and keeps its extension, which determines the program that opens the file. */
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

/** Returns `type/subtype` without parameters; application/octet-stream for anything else. */
export function plainMediaType(given: string): string {
  const type = (given.split(';', 1)[0] as string).trim().toLowerCase();
  return type.length <= MAX_TYPE && PLAIN_TYPE.test(type) ? type : UNKNOWN_TYPE;
}
