// Small audio, video, image, font and program files: only the parts that identify their formats.
import sharp from 'sharp';
import { ascii, hex, noise } from './archives.js';

type Bytes = Buffer;

const u32be = (value: number): Bytes => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u32le = (value: number): Bytes => Buffer.from(u32be(value)).reverse();

const box = (type: string, ...content: Bytes[]): Bytes => {
  const body = Buffer.concat(content);
  return Buffer.concat([u32be(8 + body.length), ascii(type), body]);
};

/** An ISO base media file (MP4, QuickTime, HEIF): the first brand is the major one. */
export const isoMedia = (...brands: [string, ...string[]]): Bytes =>
  Buffer.concat([
    box('ftyp', ascii(brands[0]), u32be(0), ...brands.map(ascii)),
    box('moov', Buffer.alloc(40)),
    box('mdat', noise(400)),
  ]);

/** QuickTime before the introduction of `ftyp`. */
export const oldQuickTime = (): Bytes => Buffer.concat([box('moov', Buffer.alloc(40)), box('mdat', noise(90))]);

export const riff = (form: string): Bytes =>
  Buffer.concat([ascii('RIFF'), u32le(4 + 8 + 16 + 8 + 400), ascii(`${form}fmt `), u32le(16), hex('01000100401f0000803e000002001000'), ascii('data'), u32le(400), noise(400)]); // prettier-ignore

export const iff = (form: string): Bytes =>
  Buffer.concat([ascii('FORM'), u32be(4 + 8 + 18 + 90), ascii(`${form}COMM`), u32be(18), Buffer.alloc(18), noise(90)]);

/** Matroska and WebM. */
export function matroska(type: string): Bytes {
  const head = Buffer.concat([hex('42868101 42f78101 42f28104 42f38108'), hex('4282'), Buffer.from([0x80 | type.length]), ascii(type), hex('42878104')]); // prettier-ignore
  return Buffer.concat([hex('1a45dfa3'), Buffer.from([0x80 | head.length]), head, hex('18538067 01ffffffffffffff'), noise(90)]); // prettier-ignore
}

/** The first page of an Ogg stream. */
export function ogg(codec: string): Bytes {
  const packet = Buffer.concat([ascii(codec), noise(22)]);
  return Buffer.concat([ascii('OggS'), hex('0002'), Buffer.alloc(8), noise(4), u32le(0), noise(4), Buffer.from([1, packet.length]), packet]); // prettier-ignore
}

const mp3Frames = Buffer.concat(Array<Bytes>(20).fill(Buffer.concat([hex('fffb9064'), Buffer.alloc(413, 0x55)])));
/** `size`: bytes of the ID3 tag. */
export function id3(size: number): Bytes {
  const synchsafe = Buffer.from([(size >> 21) & 127, (size >> 14) & 127, (size >> 7) & 127, size & 127]);
  return Buffer.concat([ascii('ID3'), hex('030000'), synchsafe, Buffer.alloc(size), mp3Frames]);
}

export const AUDIO = {
  mp3: mp3Frames,
  aac: Buffer.concat(Array<Bytes>(9).fill(Buffer.concat([hex('fff15080 2bbffc'), noise(300)]))),
  flac: Buffer.concat([ascii('fLaC'), hex('00000022'), Buffer.alloc(34), hex('84000028'), noise(90)]),
  amr: Buffer.concat([ascii('#!AMR\n'), noise(90)]),
  midi: Buffer.concat([ascii('MThd'), hex('00000006 0001 0001 0060'), ascii('MTrk'), u32be(4), hex('00ff2f00')]),
  ape: Buffer.concat([ascii('MAC '), hex('960f0000 34000000 18000000'), noise(90)]),
  wavpack: Buffer.concat([ascii('wvpk'), u32le(90), hex('1004 0000'), noise(90)]),
  ac3: Buffer.concat([hex('0b77 0e3d 1440 43fc'), noise(200)]),
};

export const VIDEO = {
  transportStream: Buffer.concat(Array<Bytes>(12).fill(Buffer.concat([hex('47400010'), Buffer.alloc(184, 0xff)]))),
  programStream: Buffer.concat([hex('000001ba 44000400 0401 0189c3f8'), noise(90)]),
  flash: Buffer.concat([ascii('FLV'), hex('0105 00000009 00000000'), noise(90)]),
  windowsMedia: Buffer.concat([hex('3026b2758e66cf11a6d900aa0062ce6c'), Buffer.alloc(8), hex('01000000 0102'), hex('9107dcb7b7a9cf118ee600c00c205365'), hex('7200000000000000'), hex('c0ef19bc4d5bcf11a8fd00805f5c442b'), noise(90)]), // prettier-ignore
};

export const FONTS = {
  woff: Buffer.concat([ascii('wOFF'), hex('00010000'), u32be(900), hex('000a0000'), noise(90)]),
  woff2: Buffer.concat([ascii('wOF2'), hex('00010000'), u32be(900), hex('000a0000'), noise(90)]),
  ttf: Buffer.concat([hex('00010000 000a 0080 0003 0020'), ascii('OS/2'), noise(90)]),
  otf: Buffer.concat([ascii('OTTO'), hex('000a 0080 0003 0020'), ascii('CFF '), noise(90)]),
};

export const PROGRAMS = {
  wasm: hex('0061736d 01000000 0000'),
  elf: Buffer.concat([hex('7f454c46 02010100'), Buffer.alloc(8), hex('03003e00 01000000'), Buffer.alloc(40)]),
  exe: Buffer.concat([ascii('MZ'), hex('90000300000004000000ffff0000'), Buffer.alloc(100)]),
  javaClass: hex('cafebabe 00000041 0010 0a0002 0003'),
};

export const DATA = {
  sqlite: Buffer.concat([ascii('SQLite format 3\0'), hex('1000010100402020'), Buffer.alloc(76)]),
  parquet: Buffer.concat([ascii('PAR1'), hex('15041530154c'), noise(90), ascii('PAR1')]),
  dicom: Buffer.concat([Buffer.alloc(128), ascii('DICM'), hex('02000000 554c0400 be000000')]),
  shapefile: Buffer.concat([hex('0000270a'), Buffer.alloc(20), u32be(50), u32le(1_000), u32le(1), Buffer.alloc(64)]),
  pcap: Buffer.concat([hex('d4c3b2a1 02000400'), Buffer.alloc(16)]),
  glb: Buffer.concat([ascii('glTF'), u32le(2), u32le(20), u32le(0), ascii('JSON')]),
  binaryStl: Buffer.concat([Buffer.alloc(80, 'x'), u32le(1), noise(50)]),
  unknown: Buffer.concat([hex('9c00ab03'), noise(600)]),
};

/** Images of encoders, and handmade images of formats without an encoder. */
export async function pictures(): Promise<Record<string, Bytes>> {
  const image = sharp(noise(40 * 30 * 3), { raw: { width: 40, height: 30, channels: 3 } });
  const [jpeg, png, gif, webp, tiff, avif] = await Promise.all([
    ...[image.clone().jpeg(), image.clone().png(), image.clone().gif(), image.clone().webp(), image.clone().tiff()],
    image.clone().avif({ effort: 0 }),
  ].map((one) => one.toBuffer())); // prettier-ignore
  return {
    ...{ jpeg: jpeg!, png: png!, gif: gif!, webp: webp!, tiff: tiff!, avif: avif! },
    bmp: Buffer.concat([ascii('BM'), u32le(154), u32le(0), u32le(54), u32le(40), noise(114)]),
    ico: Buffer.concat([hex('00000100 0100 1010 0000 0100 2000'), u32le(90), u32le(22), noise(90)]),
    psd: Buffer.concat([ascii('8BPS'), hex('0001 000000000000 0003'), u32be(9), u32be(9), hex('0008 0003')]),
    jxl: Buffer.concat([hex('0000000c 4a584c20 0d0a870a'), box('ftyp', ascii('jxl '), u32be(0), ascii('jxl '))]),
    bigTiff: Buffer.concat([hex('49492a00'), u32le(90_000), noise(4_500)]),
  };
}
