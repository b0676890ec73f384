// Decodes the bytes of a CSV file: by byte order mark, else by the declared encoding, else as UTF-8. Pure.
import { TextDecoder } from 'node:util';

/** `latin1` is decoded as windows-1252, as browsers do (WHATWG Encoding). */
export const CSV_ENCODINGS = ['utf-8', 'windows-1252', 'latin1', 'utf-16le', 'utf-16be'] as const;
export type CsvEncoding = (typeof CSV_ENCODINGS)[number];

const MARKS: ReadonlyArray<{ encoding: CsvEncoding; mark: readonly number[] }> = [
  { encoding: 'utf-8', mark: [0xef, 0xbb, 0xbf] },
  { encoding: 'utf-16le', mark: [0xff, 0xfe] },
  { encoding: 'utf-16be', mark: [0xfe, 0xff] },
];
const MAX_MARK_BYTES = 3;
const NOTHING = new Uint8Array(0);

export class CsvDecoder {
  private decoder: TextDecoder | undefined;
  /** The first bytes, kept until there are enough to detect the encoding. */
  private head: Uint8Array = NOTHING;

  constructor(private current: CsvEncoding = 'utf-8') {}

  /** The encoding in use; a byte order mark overrides the declared one. */
  get encoding(): CsvEncoding {
    return this.current;
  }

  /** Decodes the next chunk; null marks the end of the input. Throws TypeError when the bytes are invalid in the encoding. */
  decode(chunk: Uint8Array | null): string {
    const isEnd = chunk === null;
    if (this.decoder) return this.decoder.decode(chunk ?? NOTHING, { stream: !isEnd });
    const head = (this.head = Buffer.concat([this.head, chunk ?? NOTHING]));
    if (head.length < MAX_MARK_BYTES && !isEnd) return '';
    this.current = MARKS.find(({ mark }) => mark.every((byte, at) => head[at] === byte))?.encoding ?? this.current;
    this.decoder = new TextDecoder(this.current, { fatal: true });
    this.head = NOTHING;
    return this.decoder.decode(head, { stream: !isEnd });
  }
}
