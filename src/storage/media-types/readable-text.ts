// Decodes bytes as text: by byte order mark, else as UTF-8, else as the 8-bit text of older programs. Pure.

export interface ReadableText {
  /** Without the byte order mark. When the encoding is unknown, only the ASCII characters are correct. */
  readonly characters: string;
  /** Null: not text, or an 8-bit encoding such as Windows-1252, which cannot be determined further. */
  readonly charset: 'utf-8' | 'utf-16' | 'utf-32' | null;
  readonly isText: boolean;
  /** Text without the control characters that text should not contain (WHATWG MIME Sniffing, "binary data byte"). */
  readonly isPlain: boolean;
}

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be';

/** The longer marks first: the mark of UTF-16 LE is the beginning of that of UTF-32 LE. */
const BYTE_ORDER_MARKS: ReadonlyArray<[Encoding, Buffer]> = [
  ['utf-32le', Buffer.from([0xff, 0xfe, 0, 0])],
  ['utf-32be', Buffer.from([0, 0, 0xfe, 0xff])],
  ['utf-16le', Buffer.from([0xff, 0xfe])],
  ['utf-16be', Buffer.from([0xfe, 0xff])],
];

/** The control characters below the space that text may contain. */
const IN_TEXT = new Set(['\t', '\n', '\f', '\r', '\x1B']);
/** MS-DOS and CP/M end a text with it. */
const CTRL_Z = '\x1A';

/** `isWhole`: these are all bytes; otherwise the last character may be cut off. */
export function readText(bytes: Buffer, isWhole: boolean): ReadableText {
  const mark = BYTE_ORDER_MARKS.find(([, start]) => bytes.subarray(0, start.length).equals(start));
  const encoding = mark?.[0] ?? 'utf-8';
  const characters = decode(bytes, encoding, isWhole);
  if (characters !== null && !characters.includes('\0'))
    return { characters, charset: charsetOf(encoding), isText: true, isPlain: isPlain(characters) };
  const eightBit = bytes.toString('latin1').replace(/^\xEF\xBB\xBF/, '');
  const isText = mark === undefined && isPlain(eightBit);
  return { characters: characters ?? eightBit, charset: null, isText, isPlain: isText };
}

/** Returns the charset name without the byte order, which the mark defines (RFC 2781, 3.3). */
function charsetOf(encoding: Encoding): NonNullable<ReadableText['charset']> {
  return encoding.replace(/[lb]e$/, '') as NonNullable<ReadableText['charset']>;
}

function isPlain(characters: string): boolean {
  const text = characters.endsWith(CTRL_Z) ? characters.slice(0, -1) : characters;
  for (const character of text) if (character < ' ' && !IN_TEXT.has(character)) return false;
  return true;
}

/** Returns null when the bytes are invalid in this encoding. */
function decode(bytes: Buffer, encoding: Encoding, isWhole: boolean): string | null {
  if (encoding === 'utf-32le' || encoding === 'utf-32be') return decodeUtf32(bytes, encoding, isWhole);
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: !isWhole });
  } catch {
    return null;
  }
}

function decodeUtf32(bytes: Buffer, encoding: 'utf-32le' | 'utf-32be', isWhole: boolean): string | null {
  if (isWhole && bytes.length % 4 !== 0) return null;
  let characters = '';
  for (let at = 4; at + 4 <= bytes.length; at += 4) {
    const codePoint = encoding === 'utf-32le' ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
    if (codePoint > 0x10ffff) return null;
    characters += String.fromCodePoint(codePoint);
  }
  return characters.isWellFormed() ? characters : null;
}
