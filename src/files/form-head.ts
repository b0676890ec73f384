// Reads the headers of a form's parts before the parser does, since the parser truncates names that it cannot fully read.
import type { Readable } from 'node:stream';

/** Maximum number of bytes before the content of the last requested part; far more than clients send. */
const MAX_BYTES = 65_536;
const FORM = /^multipart\/form-data/iy;
const PARAMETER = /\s*;\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))/y;
const END = /[\s;]*$/y;
/** RFC 6266, 4.1. May span several lines; quoted strings may not. */
const DISPOSITION =
  /^content-disposition:\s*[^\s;"]+(?:\s*;\s*[^\s;="]+\s*=\s*(?:"(?:[^"\\\r\n]|\\[^\r\n])*"|[^\s";]+))*[\s;]*$/i;

export interface FormHeads {
  /**
   * Returns the header of the part at `index`. Call it once, when the parser has reached that part. Returns null unless the
   * Content-Disposition (RFC 7578, 4.2) of this part and of all parts before it is well-formed, so that every parser reads
   * the same names. Returns null, too, when that cannot be determined.
   */
  of(index: number): PartHead | null;
}

export interface PartHead {
  /** True when the name has the form of RFC 8187 (`filename*`), which contains no escapes of browsers. */
  hasEncodedName: boolean;
}

/** Must be called before the body is read. */
export function watchFormHeads(body: Readable, contentType: string): FormHeads {
  const seen: Buffer[] = [];
  let length = 0;
  const watch = (chunk: Buffer): void => {
    seen.push(chunk.subarray(0, MAX_BYTES - length));
    length += chunk.length;
    if (length >= MAX_BYTES) body.off('data', watch);
  };
  body.on('data', watch);
  const of = (index: number): PartHead | null => {
    body.off('data', watch);
    const text = Buffer.concat(seen.splice(0)).toString('latin1');
    const boundary = boundaryOf(contentType);
    const heads = boundary === undefined ? [] : headsIn(text, boundary, index + 1);
    const names = heads.map(parameterNames);
    const last = names[index];
    return last && names.every((known) => known !== null) ? { hasEncodedName: last.includes('filename*') } : null;
  };
  return { of };
}

/** Returns undefined when there is no boundary, more than one, or an ambiguous one. */
function boundaryOf(contentType: string): string | undefined {
  const form = matchAt(FORM, contentType, 0);
  if (!form) return undefined;
  const found: string[] = [];
  let at = form[0].length;
  for (let parameter; (parameter = matchAt(PARAMETER, contentType, at)); at += parameter[0].length) {
    const [, name = '', quoted, plain] = parameter;
    if (/^boundary\*?$/i.test(name)) found.push(name.endsWith('*') ? '' : (quoted ?? plain ?? ''));
  }
  const isRead = matchAt(END, contentType, at) !== null;
  const [boundary = '', ...more] = found;
  return isRead && more.length === 0 && /^[^\\]+$/.test(boundary) ? boundary : undefined;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/**
 * Returns the headers of the first `count` parts, as far as they have arrived. A header follows a line that contains only
 * the delimiter. Stops at a content that begins with a delimiter, because parsers interpret that differently.
 */
function headsIn(text: string, boundary: string, count: number): string[] {
  const delimiter = `\r\n--${boundary}`;
  const all = `\r\n${text}`;
  const heads: string[] = [];
  for (let from = 0; heads.length < count;) {
    const at = all.indexOf(delimiter, from);
    const start = at + delimiter.length;
    const end = at < 0 ? -1 : all.indexOf('\r\n\r\n', start);
    if (end < 0 || !all.startsWith('\r\n', start)) break;
    heads.push(all.slice(start + 2, end));
    from = end + 4;
    if (all.startsWith(`--${boundary}`, from)) break;
  }
  return heads;
}

/**
 * Returns the parameter names of the single Content-Disposition; null when there is not exactly one, or a name repeats. A line
 * that begins with a space or tab continues the line before.
 */
function parameterNames(head: string): string[] | null {
  const [disposition, ...more] = head.split(/\r\n(?![ \t])/).filter((field) => /^content-disposition:/i.test(field));
  if (disposition === undefined || more.length > 0 || !DISPOSITION.test(disposition)) return null;
  const plain = disposition.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  const names = [...plain.matchAll(/;\s*([^\s;="]+)\s*=/g)].map(([, name = '']) => name.toLowerCase());
  return new Set(names).size === names.length ? names : null;
}
