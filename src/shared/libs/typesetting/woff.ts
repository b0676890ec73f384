// Unpacks web fonts (WOFF and WOFF 2) into plain TrueType, the only form of which fontkit can embed a subset.
import { brotliDecompressSync, inflateSync } from 'node:zlib';
import { restoreGlyphs } from './woff-glyphs.js';

interface Table {
  tag: string;
  data: Buffer;
}

/** The tags of the tables that WOFF 2 identifies by number (W3C WOFF 2.0, 4.1). */
const TAGS =
  'cmap head hhea hmtx maxp name OS/2 post cvt  fpgm glyf loca prep CFF  VORG EBDT EBLC gasp hdmx kern LTSH PCLT VDMX vhea vmtx BASE GDEF GPOS GSUB EBSC JSTF MATH CBDT CBLC COLR CPAL SVG  sbix acnt avar bdat bloc bsln cvar fdsc feat fmtx fvar gvar hsty just lcar mort morx opbd prop trak Zapf Silf Glat Gloc Feat Sill';

/** Returns the font as TrueType; a file without a WOFF signature is returned unchanged. Throws when it cannot be unpacked. */
export function unpackFont(file: Buffer): Buffer {
  const signature = file.toString('latin1', 0, 4);
  if (signature === 'wOFF') return toTrueType(readWoff(file));
  if (signature === 'wOF2') return toTrueType(readWoff2(file));
  return file;
}

function readWoff(file: Buffer): Table[] {
  return Array.from({ length: file.readUInt16BE(12) }, (_, index) => {
    const entry = 44 + index * 20;
    const [offset, packed, length] = [4, 8, 12].map((at) => file.readUInt32BE(entry + at)) as [number, number, number];
    const data = file.subarray(offset, offset + packed);
    return { tag: file.toString('latin1', entry, entry + 4), data: packed < length ? inflateSync(data) : data };
  });
}

function readWoff2(file: Buffer): Table[] {
  const entries: { tag: string; length: number; transformed: boolean }[] = [];
  let at = 48;
  const readLength = (): number => {
    let value = 0;
    for (;;) {
      const byte = file.readUInt8(at++);
      value = value * 128 + (byte & 127);
      if (byte < 128) return value;
    }
  };
  for (let left = file.readUInt16BE(12); left > 0; left--) {
    const flags = file.readUInt8(at++);
    const known = flags & 63;
    const tag = known === 63 ? file.toString('latin1', at, (at += 4)) : TAGS.slice(known * 5, known * 5 + 4);
    const version = flags >> 6;
    const transformed = tag === 'glyf' || tag === 'loca' ? version === 0 : version !== 0;
    const full = readLength();
    entries.push({ tag, transformed, length: transformed ? readLength() : full });
  }
  const content = brotliDecompressSync(file.subarray(at, at + file.readUInt32BE(20)));
  let offset = 0;
  const tables = entries.map(({ tag, length, transformed }) => {
    const data = content.subarray(offset, (offset += length));
    if (transformed && tag !== 'glyf' && tag !== 'loca') throw new Error(`This WOFF 2 packs its table ${tag}`);
    return { tag, data, transformed };
  });
  const glyphs = tables.find(({ tag, transformed }) => tag === 'glyf' && transformed);
  if (!glyphs) return tables;
  const { glyf, loca } = restoreGlyphs(glyphs.data);
  tables.find(({ tag }) => tag === 'head')?.data.writeInt16BE(1, 50); // 32-bit offsets
  return tables.map(({ tag, data }) => ({ tag, data: tag === 'glyf' ? glyf : tag === 'loca' ? loca : data }));
}

/** The checksums stay 0: no reader of these fonts checks them. */
function toTrueType(tables: Table[]): Buffer {
  const header = Buffer.alloc(12 + 16 * tables.length);
  header.writeUInt32BE(0x00010000, 0);
  header.writeUInt16BE(tables.length, 4);
  const parts: Buffer[] = [header];
  let offset = header.length;
  tables.forEach(({ tag, data }, index) => {
    const entry = 12 + index * 16;
    header.write(tag, entry, 'latin1');
    header.writeUInt32BE(offset, entry + 8);
    header.writeUInt32BE(data.length, entry + 12);
    const padding = Buffer.alloc(-data.length & 3);
    parts.push(data, padding);
    offset += data.length + padding.length;
  });
  return Buffer.concat(parts);
}
