// The head of a form's first part, seen on its way to the parser: that one ends a header line at a CR LF even within quotes.
import type { Readable } from 'node:stream';

/** More than any parser takes. */
const MOST_BYTES = 80 * 1024;
const BOUNDARY = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i;
const DISPOSITION = /^content-disposition:.*$/gim;

export interface FormHead {
  /** Once the parser has told of the part: whether quotes of its Content-Disposition (RFC 7578, 4.2) are still open at the line's end. */
  isBroken(): boolean;
}

/** To be called before anybody reads the body. */
export function watchFormHead(body: Readable, contentType: string): FormHead {
  const [, quoted, plain] = BOUNDARY.exec(contentType) ?? [];
  const delimiter = `--${quoted ?? plain}\r\n`;
  let seen = '';
  const watch = (chunk: Buffer): void => {
    seen += chunk.toString('latin1', 0, MOST_BYTES - seen.length);
    if (headIn(seen, delimiter) !== undefined || seen.length >= MOST_BYTES) body.off('data', watch);
  };
  body.on('data', watch);
  return { isBroken: () => (headIn(seen, delimiter)?.match(DISPOSITION) ?? []).some(hasOpenQuotes) };
}

/** Undefined: it is not complete. */
function headIn(text: string, delimiter: string): string | undefined {
  const begin = `\r\n${text}`.indexOf(`\r\n${delimiter}`); // of the delimiter in `text`
  const end = begin < 0 ? -1 : text.indexOf('\r\n\r\n', begin);
  return end < 0 ? undefined : text.slice(begin + delimiter.length, end);
}

function hasOpenQuotes(line: string): boolean {
  return line.replace(/\\./g, '').split('"').length % 2 === 0;
}
