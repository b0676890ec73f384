// Small archives of several programs: ZIP, compound files, tar, and compressed streams.
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

type Bytes = Buffer;

export const ascii = (latin1: string): Bytes => Buffer.from(latin1, 'latin1');
export const hex = (digits: string): Bytes => Buffer.from(digits.replaceAll(' ', ''), 'hex');
/** Returns deterministic bytes without structure, like compressed data. */
export function noise(length: number): Bytes {
  const bytes = Buffer.alloc(length);
  for (let at = 0, state = 1; at < length; at++) bytes[at] = (state = (state * 48_271) % 2_147_483_647) >> 8;
  return bytes;
}

export interface ZipEntry {
  name: string;
  content: string | Bytes;
  /** The sizes follow the content, as streaming writers do it. */
  isStreamed?: boolean;
  isStored?: boolean;
}

/** Keeps the given order, because programs differ in the first entry. */
export function zip(entries: ZipEntry[]): Bytes {
  const parts: Bytes[] = [];
  const directory: Bytes[] = [];
  let at = 0;
  for (const entry of entries) {
    const bytes = localEntry(entry);
    directory.push(directoryEntry(entry, at));
    parts.push(bytes);
    at += bytes.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, listed, end]);
}

function facts({ content, isStored, isStreamed }: ZipEntry) {
  const plain = Buffer.from(content as string);
  const packed = isStored ? plain : deflateRawSync(plain);
  return { plain, packed, method: isStored ? 0 : 8, flags: isStreamed ? 8 : 0, crc: crc32(plain) };
}

function localEntry(entry: ZipEntry): Bytes {
  const { plain, packed, method, flags, crc } = facts(entry);
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(20, 4);
  head.writeUInt16LE(flags, 6);
  head.writeUInt16LE(method, 8);
  head.writeUInt16LE(entry.name.length, 26);
  const sizes = Buffer.alloc(12);
  sizes.writeUInt32LE(crc, 0);
  sizes.writeUInt32LE(packed.length, 4);
  sizes.writeUInt32LE(plain.length, 8);
  if (!entry.isStreamed) sizes.copy(head, 14);
  const descriptor = entry.isStreamed ? [hex('504b0708'), sizes] : [];
  return Buffer.concat([head, ascii(entry.name), packed, ...descriptor]);
}

function directoryEntry(entry: ZipEntry, offset: number): Bytes {
  const { plain, packed, method, flags, crc } = facts(entry);
  const head = Buffer.alloc(46);
  head.writeUInt32LE(0x02014b50, 0);
  head.writeUInt16LE(20, 6);
  head.writeUInt16LE(flags, 8);
  head.writeUInt16LE(method, 10);
  head.writeUInt32LE(crc, 16);
  head.writeUInt32LE(packed.length, 20);
  head.writeUInt32LE(plain.length, 24);
  head.writeUInt16LE(entry.name.length, 28);
  head.writeUInt32LE(offset, 42);
  return Buffer.concat([head, ascii(entry.name)]);
}

const big = { content: noise(5_000), isStored: true };

/** An Office file. `first`: puts its list of content types first; other programs write it last. */
export function openXml(main: string, type: string, how: 'first' | 'last' | 'streamed'): Bytes {
  const types: ZipEntry = {
    name: '[Content_Types].xml',
    content: `<?xml version="1.0"?><Types><Override PartName="/${main}" ContentType="${type}.main+xml"/></Types>`,
  };
  const folder = main.split('/', 1)[0] as string;
  const parts: ZipEntry[] = [{ name: main, content: '<?xml version="1.0"?><a/>' }, { name: `${folder}/media/image1.png`, ...big }]; // prettier-ignore
  const all = how === 'last' ? [...parts, types] : [types, ...parts];
  return zip(all.map((entry) => ({ ...entry, isStreamed: how === 'streamed' })));
}

/** OpenDocument and EPUB: the first entry contains the type. */
export const withMimeType = (type: string): Bytes =>
  zip([{ name: 'mimetype', content: type, isStored: true }, { name: 'content.xml', content: '<a/>' }]); // prettier-ignore

export const zipOf = (...names: string[]): Bytes => zip(names.map((name) => ({ name, content: 'content' })));
/** A ZIP whose inspected bytes do not reveal its content. */
export const bigZip = (name: string): Bytes => zip([{ name, ...big }]);

/** The container of Office before 2007; a directory at its end describes the content. */
export function compoundFile(): Bytes {
  const bytes = Buffer.alloc(1_536);
  hex('d0cf11e0a1b11ae1').copy(bytes);
  hex('3e000300feff09000600').copy(bytes, 24);
  return bytes;
}

export function tar(name: string, format: 'ustar' | 'v7' = 'ustar'): Bytes {
  const bytes = Buffer.alloc(2_048);
  bytes.write(name, 0);
  bytes.write('0000644\0' + '0000000\0' + '0000000\0' + '00000000005\0' + '00000000000\0' + '        0', 100);
  if (format === 'ustar') bytes.write('ustar\x0000', 257);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  bytes.write('hello', 512);
  return bytes;
}

export const gzip = (content: Bytes | string): Bytes => gzipSync(content);

export const COMPRESSED = {
  bzip2: Buffer.concat([ascii('BZh9'), hex('314159265359'), noise(80)]),
  xz: Buffer.concat([hex('fd377a585a00 0004e6d6b446'), noise(80)]),
  zstd: Buffer.concat([hex('28b52ffd2004'), noise(80)]),
  lz4: Buffer.concat([hex('04224d186440a7'), noise(80)]),
  sevenZip: Buffer.concat([hex('377abcaf271c0004'), noise(80)]),
  rar: Buffer.concat([hex('526172211a0701 00'), noise(80)]),
};
