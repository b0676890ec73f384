// The head of a form's first part, seen on its way to the parser: that one ends a header line at a CR LF even within quotes.
import type { Readable } from 'node:stream';

/** Bytes before the content of the part: far more than clients send. */
const MOST_BYTES = 16_384;
const FORM = /^multipart\/form-data/iy;
/** As every client writes them: without escapes and other ways of saying that parsers may read otherwise. */
const PARAMETER = /\s*;\s*([\w-]+)=(?:"([^"\\]*)"|([^\s";]+))/y;
const END = /[\s;]*$/y;

export interface FormHead {
  /**
   * Once, when the parser has told of the part: whether the quotes in its Content-Disposition (RFC 7578, 4.2) are closed
   * where the line ends. False too where that cannot be told.
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
    const head = boundary === undefined ? undefined : headIn(text, boundary);
    return head !== undefined && !head.split('\r\n').some(hasOpenQuotes);
  };
  return { isSound };
}

/** Undefined: there is none, or more than one, or what it is depends on who reads it. */
function boundaryOf(contentType: string): string | undefined {
  const found: string[] = [];
  let at = matchAt(FORM, contentType, 0)?.[0].length;
  for (; at !== undefined;) {
    const parameter = matchAt(PARAMETER, contentType, at);
    if (!parameter) break;
    const [all, name = '', quoted, plain] = parameter;
    if (name.toLowerCase() === 'boundary') found.push(quoted ?? plain ?? '');
    at += all.length;
  }
  const isRead = at !== undefined && matchAt(END, contentType, at) !== null;
  return isRead && found.length === 1 ? found[0] : undefined;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** What follows the first line that begins with the delimiter, where nothing else stands in it. Undefined: it is not there as a whole. */
function headIn(text: string, boundary: string): string | undefined {
  const delimiter = `\r\n--${boundary}`;
  const all = `\r\n${text}`;
  const at = all.indexOf(delimiter);
  const rest = at < 0 ? '' : all.slice(at + delimiter.length);
  const end = rest.indexOf('\r\n\r\n');
  return rest.startsWith('\r\n') && end >= 0 ? rest.slice(2, end) : undefined;
}

/** A line that begins with a space goes on with the one before (RFC 5322, 2.2.3). */
function hasOpenQuotes(line: string): boolean {
  return /^(content-disposition:|[ \t])/i.test(line) && line.replace(/\\./g, '').split('"').length % 2 === 0;
}
