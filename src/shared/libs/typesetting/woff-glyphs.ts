// Rebuilds the TrueType tables glyf and loca from the seven glyph streams of a WOFF 2 file (W3C WOFF 2.0, 5.1 and 5.2).

/** Reads one stream from its start. */
class Reader {
  private at = 0;

  constructor(private readonly data: Buffer) {}

  byte(): number {
    return this.data.readUInt8(this.at++);
  }

  take(length: number): Buffer {
    return this.data.subarray(this.at, (this.at += length));
  }

  int16(): number {
    return this.take(2).readInt16BE();
  }

  /** Reads a "255UInt16": one byte for small numbers. */
  short(): number {
    const code = this.byte();
    if (code === 253) return this.take(2).readUInt16BE();
    if (code === 254) return this.byte() + 506;
    return code === 255 ? this.byte() + 253 : code;
  }
}

interface Streams {
  contours: Reader;
  points: Reader;
  flags: Reader;
  coordinates: Reader;
  composites: Reader;
  boxes: Reader;
  instructions: Reader;
}

const COMPOSITE = { words: 1, scale: 8, more: 32, twoScales: 64, matrix: 128, instructions: 256 };

export function restoreGlyphs(data: Buffer): { glyf: Buffer; loca: Buffer } {
  const count = data.readUInt16BE(4);
  let at = 36;
  const [contours, points, flags, coordinates, composites, boxes, instructions] = [8, 12, 16, 20, 24, 28, 32].map(
    (size) => new Reader(data.subarray(at, (at += data.readUInt32BE(size)))),
  ) as [Reader, Reader, Reader, Reader, Reader, Reader, Reader];
  const hasBox = boxes.take(((count + 31) >> 5) << 2);
  const streams = { contours, points, flags, coordinates, composites, boxes, instructions };
  const loca = Buffer.alloc((count + 1) * 4);
  const parts: Buffer[] = [];
  let offset = 0;
  for (let glyph = 0; glyph <= count; glyph++) {
    loca.writeUInt32BE(offset, glyph * 4);
    if (glyph === count) break;
    const part = readGlyph(streams, (hasBox.readUInt8(glyph >> 3) & (128 >> (glyph & 7))) !== 0);
    parts.push(part);
    offset += part.length;
  }
  return { glyf: Buffer.concat(parts), loca };
}

function readGlyph(streams: Streams, hasBox: boolean): Buffer {
  const contours = streams.contours.int16();
  if (contours === 0) return Buffer.alloc(0);
  const body = contours > 0 ? readOutline(streams, contours) : readComposite(streams);
  const header = Buffer.alloc(10);
  header.writeInt16BE(contours, 0);
  (hasBox ? streams.boxes.take(8) : body.box).copy(header, 2);
  const length = header.length + body.data.length;
  return Buffer.concat([header, body.data, Buffer.alloc(-length & 3)]);
}

interface Body {
  data: Buffer;
  box: Buffer;
}

/** The moves of one outline, reused: a font has a million points, and most of the time of opening it went into their objects. */
const MAX_POINTS = 65_536;
const moves = { flags: new Uint8Array(MAX_POINTS), xs: new Int16Array(MAX_POINTS), ys: new Int16Array(MAX_POINTS) };

function readOutline(streams: Streams, contours: number): Body {
  const ends = Buffer.alloc(contours * 2 + 2);
  let count = 0;
  for (let contour = 0; contour < contours; contour++)
    ends.writeUInt16BE((count += streams.points.short()) - 1, contour * 2);
  const box = readMoves(streams, count);
  const hints = streams.instructions.take(streams.coordinates.short());
  ends.writeUInt16BE(hints.length, contours * 2);
  const points = Buffer.allocUnsafe(count * 5);
  points.set(moves.flags.subarray(0, count));
  let at = count;
  for (const axis of [moves.xs, moves.ys])
    for (let point = 0; point < count; point++) at = points.writeInt16BE(axis[point] as number, at);
  return { data: Buffer.concat([ends, hints, points]), box };
}

/** Reads the flags and moves of `count` points, and returns the box around the points. */
function readMoves({ flags, coordinates }: Streams, count: number): Buffer {
  let [x, y, minX, minY, maxX, maxY] = [0, 0, 32767, 32767, -32768, -32768];
  for (let point = 0; point < count; point++) {
    const flag = flags.byte();
    readMove(flag & 127, coordinates, point);
    moves.flags[point] = flag >> 7 ? 0 : 1;
    x += moves.xs[point] as number;
    y += moves.ys[point] as number;
    minX = Math.min(minX, x);
    minY = Math.min(minY, y);
    maxX = Math.max(maxX, x);
    maxY = Math.max(maxY, y);
  }
  const box = Buffer.alloc(8);
  [minX, minY, maxX, maxY].forEach((value, index) => box.writeInt16BE(value, index * 2));
  return box;
}

/** Reads the offset to the next point into `moves`; the flag contains its size in bytes and its signs. */
function readMove(flag: number, stream: Reader, point: number): void {
  let [x, y] = [0, 0];
  if (flag < 10) y = signed(flag, ((flag & 14) << 7) + stream.byte());
  else if (flag < 20) x = signed(flag, (((flag - 10) & 14) << 7) + stream.byte());
  else if (flag < 84) {
    const [base, byte] = [flag - 20, stream.byte()];
    x = signed(flag, 1 + (base & 48) + (byte >> 4));
    y = signed(flag >> 1, 1 + ((base & 12) << 2) + (byte & 15));
  } else if (flag < 120) {
    const base = flag - 84;
    x = signed(flag, 1 + (Math.floor(base / 12) << 8) + stream.byte());
    y = signed(flag >> 1, 1 + (((base % 12) >> 2) << 8) + stream.byte());
  } else if (flag < 124) {
    const [first, middle, last] = [stream.byte(), stream.byte(), stream.byte()];
    x = signed(flag, (first << 4) + (middle >> 4));
    y = signed(flag >> 1, ((middle & 15) << 8) + last);
  } else {
    x = signed(flag, (stream.byte() << 8) + stream.byte());
    y = signed(flag >> 1, (stream.byte() << 8) + stream.byte());
  }
  moves.xs[point] = x;
  moves.ys[point] = y;
}

function signed(bit: number, value: number): number {
  return bit & 1 ? value : -value;
}

function readComposite(streams: Streams): Body {
  const parts: Buffer[] = [];
  let flags = COMPOSITE.more;
  let hinted = false;
  while (flags & COMPOSITE.more) {
    const head = streams.composites.take(2);
    flags = head.readUInt16BE();
    hinted ||= (flags & COMPOSITE.instructions) !== 0;
    const scale = flags & COMPOSITE.scale ? 2 : flags & COMPOSITE.twoScales ? 4 : flags & COMPOSITE.matrix ? 8 : 0;
    parts.push(head, streams.composites.take(2 + (flags & COMPOSITE.words ? 4 : 2) + scale));
  }
  if (hinted) {
    const hints = streams.instructions.take(streams.coordinates.short());
    const length = Buffer.alloc(2);
    length.writeUInt16BE(hints.length);
    parts.push(length, hints);
  }
  return { data: Buffer.concat(parts), box: Buffer.alloc(8) };
}
