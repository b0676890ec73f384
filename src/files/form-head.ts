// The heads of a form's parts, seen on their way to the parser: it takes half a name where the other half cannot be read.
import type { Readable } from 'node:stream';

/** Bytes before the content of the last part that is asked for: far more than clients send. */
const MAX_BYTES = 65_536;
const FORM = /^multipart\/form-data/iy;
const PARAMETER = /\s*;\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))/y;
const END = /[\s;]*$/y;
/** RFC 6266, 4.1, on as many lines as one likes; quotes do not go on from one to the next. */
const DISPOSITION =
  /^content-disposition:\s*[^\s;"]+(?:\s*;\s*[^\s;="]+\s*=\s*(?:"(?:[^"\\\r\n]|\\[^\r\n])*"|[^\s";]+))*[\s;]*$/i;

export interface FormHeads {
  /**
   * Once, when the parser has reached the part at `index`: its head, if its Content-Disposition (RFC 7578, 4.2) and those of
   * all parts before it are well-formed, so that everybody reads the same names. Null too where that cannot be told.
   */
  of(index: number): PartHead | null;
}

export interface PartHead {
  /** Its name is given in the form of RFC 8187 (`filename*`), where nothing is escaped as browsers do it. */
  hasEncodedName: boolean;
}

/** To be called before anybody reads the body. */
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

/** Undefined: there is none, or more than one, or what it is depends on who reads it. */
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
 * Of the first `count` parts, as far as they are there: what follows a line that begins with the delimiter, where nothing
 * else stands in it. A content that begins with a delimiter is not read: parsers differ in what they take it for.
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

/** Of its one Content-Disposition, none of them twice; null otherwise. A line that begins with a space goes on with the one before. */
function parameterNames(head: string): string[] | null {
  const [disposition, ...more] = head.split(/\r\n(?![ \t])/).filter((field) => /^content-disposition:/i.test(field));
  if (disposition === undefined || more.length > 0 || !DISPOSITION.test(disposition)) return null;
  const plain = disposition.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  const names = [...plain.matchAll(/;\s*([^\s;="]+)\s*=/g)].map(([, name = '']) => name.toLowerCase());
  return new Set(names).size === names.length ? names : null;
}
