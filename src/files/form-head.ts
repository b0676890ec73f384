// The head of a form's first part, seen on its way to the parser: it takes half a name where the other half cannot be read.
import type { Readable } from 'node:stream';

/** Bytes before the content of the part: far more than clients send. */
const MOST_BYTES = 16_384;
const FORM = /^multipart\/form-data/iy;
const PARAMETER = /\s*;\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))/y;
const END = /[\s;]*$/y;
/** RFC 6266, 4.1, on as many lines as one likes; quotes do not go on from one to the next. */
const DISPOSITION =
  /^content-disposition:\s*[^\s;"]+(?:\s*;\s*[^\s;="]+\s*=\s*(?:"(?:[^"\\\r\n]|\\[^\r\n])*"|[^\s";]+))*[\s;]*$/i;

export interface FormHead {
  /**
   * Once, when the parser has told of the part: whether its Content-Disposition (RFC 7578, 4.2) is well-formed, so that
   * everybody reads the same name. False too where that cannot be told.
   */
  isSound(): boolean;
}

/** To be called before anybody reads the body. */
export function watchFormHead(body: Readable, contentType: string): FormHead {
  const seen: Buffer[] = [];
  let length = 0;
  const watch = (chunk: Buffer): void => {
    seen.push(chunk.subarray(0, MOST_BYTES - length));
    length += chunk.length;
    if (length >= MOST_BYTES) body.off('data', watch);
  };
  body.on('data', watch);
  const isSound = (): boolean => {
    body.off('data', watch);
    const text = Buffer.concat(seen.splice(0)).toString('latin1');
    const boundary = boundaryOf(contentType);
    return boundary !== undefined && isWellFormed(headIn(text, boundary));
  };
  return { isSound };
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

/** What follows the first line that begins with the delimiter, where nothing else stands in it; '' where that is not there as a whole. */
function headIn(text: string, boundary: string): string {
  const delimiter = `\r\n--${boundary}`;
  const all = `\r\n${text}`;
  const at = all.indexOf(delimiter);
  const rest = at < 0 ? '' : all.slice(at + delimiter.length);
  const end = rest.indexOf('\r\n\r\n');
  return rest.startsWith('\r\n') && end >= 0 ? rest.slice(2, end) : '';
}

/** One Content-Disposition, and none of its parameters twice. A line that begins with a space goes on with the one before. */
function isWellFormed(head: string): boolean {
  const [disposition, ...more] = head.split(/\r\n(?![ \t])/).filter((field) => /^content-disposition:/i.test(field));
  if (disposition === undefined || more.length > 0 || !DISPOSITION.test(disposition)) return false;
  const names = [...disposition.replace(/"(?:[^"\\]|\\.)*"/g, '""').matchAll(/;\s*([^\s;="]+)\s*=/g)].map(([, name]) =>
    name?.toLowerCase(),
  );
  return new Set(names).size === names.length;
}
