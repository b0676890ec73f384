// The image decoder process: it is confined, it ends in time, and its output is verified.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import sharp, { type Sharp } from 'sharp';
import { FileSettings } from '../../src/files/files.settings.js';
import { type Confinement, type ProcessResult, runConfined } from '../../src/files/thumbnails/confined-process.js';
import { ImageDecoder } from '../../src/files/thumbnails/image-decoder.js';
import type { Picture } from '../../src/files/thumbnails/webp.js';
import { testConfig } from '../support/config.js';
import { avifWithSize, png, webpWithSize } from '../support/files/image-bombs.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const MIB = 1_048_576;
const PROGRAM = resolve('test/support/files/confined-programs.mjs');
const DECODER = resolve('src/files/thumbnails/decoder.process.mjs');
const onLinux = process.platform === 'linux' ? it : it.skip;
const never = (): AbortSignal => new AbortController().signal;

let counted = 0;
/** The task of a program, and a marker that identifies its process. */
const marked = (what: string): string => `${what} marked-${process.pid}-${++counted}`;

function run(argument: string, options: Partial<Confinement> = {}, input = Readable.from([])): Promise<ProcessResult> {
  const usual = { memory: 600 * MIB, wallMs: 10_000, maxOutput: MIB, signal: never() };
  return runConfined(input, { program: PROGRAM, argument, ...usual, ...options });
}

/** Returns the number of processes with the marker among their arguments; 0 on systems without /proc. */
async function processesOf(argument: string): Promise<number> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(argument)).length;
}

async function processEnd(argument: string): Promise<void> {
  await until(async () => (await processesOf(argument)) === 0, 'the process to end');
}

async function hasBegun(argument: string): Promise<void> {
  if (process.platform === 'linux')
    await until(async () => (await processesOf(argument)) === 1, 'the process to begin');
  await sleep(200); // gives the process time to reach its work
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

describe('a confined process', () => {
  onLinux('sees no environment, folder or open file of the application, and has few permissions', async () => {
    process.env['A_SECRET'] = 'of the server';
    const file = await open('package.json');
    const { output } = await run('report');
    await file.close();
    delete process.env['A_SECRET'];
    const seen = JSON.parse(output.toString()) as Record<'cwd' | 'limits', string> & { env: object; open: string[] };
    const { PWD, ...env } = seen.env as Record<string, string>;
    expect([env, PWD ?? '/', seen.cwd]).toEqual([{ MALLOC_ARENA_MAX: '1' }, '/', '/']);
    expect(seen.open.filter((path) => path.startsWith('/') && !path.startsWith('/dev/'))).toEqual([]);
    const limit = (name: string) => new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(seen.limits)?.slice(1);
    expect(limit('Max address space')).toEqual([`${600 * MIB}`, `${600 * MIB}`]);
    expect(limit('Max file size')).toEqual(['0', '0']);
    expect(limit('Max core file size')).toEqual(['0', '0']);
    expect(limit('Max cpu time')).toEqual(['30', '30']);
  });

  it.each(['loop', 'deaf'])('is killed after its time limit: %s', async (what) => {
    const argument = marked(what);
    const time = await timeOf(async () => {
      expect(await run(argument, { wallMs: 700 })).toMatchObject({ code: null, isLate: true });
    });
    expect([time > 650, time < 20_000]).toEqual([true, true]); // otherwise it ends by its limit of processor time
    await processEnd(argument);
  });

  it.each(['loop', 'deaf'])('is killed on abort, and its callers receive the reason: %s', async (what) => {
    const argument = marked(what);
    const abort = new AbortController();
    const input = Readable.from([Buffer.alloc(4 * MIB)]); // more than a pipe buffers
    const failure = expect(run(argument, { signal: abort.signal }, input)).rejects.toThrow('asked for');
    await hasBegun(argument);
    abort.abort(new Error('asked for'));
    await failure;
    await processEnd(argument);
    expect(input.destroyed).toBe(true);
    const late = Readable.from([Buffer.alloc(1)]);
    await expect(run(argument, { signal: abort.signal }, late)).rejects.toThrow('asked for');
    expect([await processesOf(argument), late.destroyed]).toEqual([0, true]);
  });

  it('is killed when its input fails, and rejects with that error', async () => {
    const argument = marked('deaf');
    async function* chunks(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(10);
      await hasBegun(argument);
      throw new Error('the disk is broken');
    }
    await expect(run(argument, {}, Readable.from(chunks()))).rejects.toThrow('the disk is broken');
    await processEnd(argument);
  });

  it('is killed when its output exceeds the limit', async () => {
    const argument = marked('flood');
    const { output, code, isLate } = await run(argument, { maxOutput: 100_000, wallMs: 50_000 });
    expect([output.length, code, isLate]).toEqual([100_000, null, false]);
    await processEnd(argument);
  });

  it('may crash during a large input', async () => {
    const input = Readable.from(Array<Buffer>(64).fill(Buffer.alloc(MIB)));
    const { code, errors } = await run('crash', {}, input);
    expect([code, errors.length]).toEqual([null, 2_000]);
    expect(input.destroyed).toBe(true);
  });

  onLinux('cannot exceed its memory limit', async () => {
    const ending = await run('memory');
    expect([ending.code === 0, ending.output.toString()]).toEqual([false, '']);
  });

  it('that does not exist is reported as an error', async () => {
    const { output, code, errors } = await run('report', { program: resolve('no-such-program.mjs') });
    expect([output.length, code]).toEqual([0, 1]);
    expect(errors).toContain('Cannot find module');
  });
});

class EchoingDecoder extends ImageDecoder {
  protected override readonly program: string = PROGRAM;
}

class AbsentDecoder extends ImageDecoder {
  protected override readonly program: string = resolve('no-such-program.mjs');
}

class HastyDecoder extends EchoingDecoder {
  protected override readonly wallMs: number = 1_500;
}

const settings = testConfig('postgres://nowhere/none').get(FileSettings);

function draw(bytes: Buffer, decoder = new ImageDecoder(settings), size = bytes.length): Promise<unknown> {
  return decoder.draw(Readable.from(bytes), size, never());
}

const solid = (width: number, height: number): Sharp =>
  sharp({ create: { width, height, channels: 3, background: '#336699' } });

const framed = (...pictures: Uint8Array[]): Buffer =>
  Buffer.concat(
    pictures.flatMap((picture) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(picture.length);
      return [length, picture];
    }),
  );

/** An extended WebP with the given flags. */
function flagged(webp: Buffer, flags: number): Buffer {
  expect(webp.toString('latin1', 12, 16)).toBe('VP8X');
  return Buffer.concat([webp.subarray(0, 20), Buffer.from([flags]), webp.subarray(21)]);
}

describe('an image decoder', () => {
  it('that returns the requested images succeeds', async () => {
    const [small, clear] = [await solid(128, 7).webp().toBuffer(), await solid(9, 9).webp({ lossless: true }).toBuffer()];
    const alpha = await solid(512, 256).ensureAlpha(0.5).webp().toBuffer();
    expect(await draw(framed(small, clear, alpha), new EchoingDecoder(settings))).toEqual([
      { bytes: small, width: 128, height: 7 },
      { bytes: clear, width: 9, height: 9 },
      { bytes: alpha, width: 512, height: 256 },
    ]);
  }); // prettier-ignore

  describe('whose output is', () => {
    const fine = solid(10, 10).webp().toBuffer();
    it.each<[string, () => Promise<Buffer>]>([
      ['empty', async () => Buffer.alloc(0)],
      ['noise', async () => Buffer.alloc(5_000, 'noise')],
      ['two images', async () => framed(await fine, await fine)],
      ['four images', async () => framed(await fine, await fine, await fine, await fine)],
      ['one byte too long', async () => Buffer.concat([framed(await fine, await fine, await fine), Buffer.alloc(1)])],
      ['a length beyond the end', async () => Buffer.concat([framed(await fine, await fine), Buffer.alloc(4, 255)])],
      ['an image larger than requested', async () => framed(await solid(129, 1).webp().toBuffer(), await fine, await fine)],
      ['an image with a false size', async () => framed(await fine, await fine, webpWithSize(await fine, 513, 1))],
      ['a PNG', async () => framed(await fine, await fine, await solid(10, 10).png().toBuffer())],
      ['an animation', async () => framed(await fine, await fine, await sharp(Buffer.alloc(600).fill(99, 300), { raw: { width: 10, height: 20, channels: 3, pageHeight: 10 } }).webp().toBuffer())],
      ['metadata', async () => framed(await fine, await fine, await solid(10, 10).withExif({ IFD0: { Make: 'x' } }).webp().toBuffer())],
      ['a colour profile', async () => framed(await fine, await fine, await solid(10, 10).withIccProfile('p3').webp().toBuffer())],
      ['an undeclared colour profile', async () => framed(await fine, await fine, flagged(await solid(9, 9).withIccProfile('p3').webp().toBuffer(), 0))],
      ['an image with false feature flags', async () => framed(await fine, await fine, flagged(await solid(9, 9).ensureAlpha(0.5).webp().toBuffer(), 0x1c))],
      ['an image followed by other bytes', async () => framed(await fine, await fine, Buffer.concat([await fine, Buffer.from('<script>')]))],
      ['larger than three images can be', async () => Buffer.alloc(4 * MIB, await fine)],
    ])('%s is refused', async (_what, output) => {
      await expect(draw(await output(), new EchoingDecoder(settings))).rejects.toMatchObject({ code: 'FILE_IMAGE_UNREADABLE' });
    }); // prettier-ignore
  });

  it('that cannot start does not mark the image as invalid', async () => {
    const failure = draw(Buffer.from('x'), new AbsentDecoder(settings));
    await expect(failure).rejects.toThrow(/did not start: [^]*Cannot find module/);
    await expect(failure).rejects.not.toHaveProperty('code', 'FILE_IMAGE_UNREADABLE');
  });

  it('that exceeds its time does not mark the image as invalid, because the machine may be busy', async () => {
    const failure = draw(Buffer.from('for ever'), new HastyDecoder(settings));
    await expect(failure).rejects.toThrow(/was not done after 1500 ms|did not start/); // on a very busy machine
    await expect(failure).rejects.not.toHaveProperty('code', 'FILE_IMAGE_UNREADABLE');
  });

  it('is not started for a file that is too large', async () => {
    const source = Readable.from([Buffer.alloc(1)]);
    const failure = new AbsentDecoder(settings).draw(source, 64 * MIB + 1, never());
    await expect(failure).rejects.toMatchObject({ code: 'FILE_IMAGE_TOO_LARGE' });
    expect(source.destroyed).toBe(true);
  });

  it('enforces the pixel limit', async () => {
    const small = new ImageDecoder(
      testConfig('postgres://nowhere/none', { THUMBNAIL_MAX_PIXELS: '10000' }).get(FileSettings),
    );
    expect(await draw(await solid(100, 100).png().toBuffer(), small)).toHaveLength(3);
    const failure = draw(await solid(100, 101).png().toBuffer(), small);
    await expect(failure).rejects.toMatchObject({ code: 'FILE_IMAGE_TOO_LARGE' });
  });

  it('refuses a JPEG of more scans than an encoder writes: each costs a pass over all pixels', async () => {
    const progressive = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#5a781e' } })
      .jpeg({ progressive: true })
      .toBuffer();
    const last = progressive.lastIndexOf(Buffer.from([0xff, 0xda]));
    const scan = progressive.subarray(last, -2); // the end marker comes after it
    const withScans = (more: number): Buffer =>
      Buffer.concat([progressive.subarray(0, -2), ...Array<Buffer>(more).fill(scan), progressive.subarray(-2)]);
    await expect(draw(withScans(0))).resolves.toHaveLength(3);
    await expect(draw(withScans(100))).rejects.toMatchObject({ code: 'FILE_IMAGE_TOO_LARGE' });
  });

  describe('decodes images of phone cameras:', () => {
    const [width, height] = [8_064, 6_048]; // 48 megapixels
    const panorama = { width: 16_384, height: 4_096 };
    it.each<[string, () => Promise<Buffer>]>([
      ['interlaced PNG', () => solid(width, height).png({ progressive: true }).toBuffer()],
      ['WebP', () => solid(width, height).webp({ lossless: true, effort: 0 }).toBuffer()],
      ['AVIF', () => readFile('test/support/files/fixtures/grey-8064x6048.avif')], // encoding takes half a minute
      [
        'panorama, a progressive JPEG',
        () => solid(panorama.width, panorama.height).jpeg({ progressive: true }).toBuffer(),
      ],
    ])('%s', async (_what, make) => {
      const pictures = (await draw(await make())) as Picture[];
      expect(pictures.map((one) => Math.max(one.width, one.height))).toEqual([128, 256, 512]);
    });
  });

  it('has a memory budget for each format', async () => {
    const pixel = await solid(1, 1).avif({ effort: 0 }).toBuffer();
    const large = [
      avifWithSize(pixel, 7_100, 7_100), // 50.4 million pixels: a quarter of the limit for PNG
      png(10_100, 10_000, { isInterlaced: true }), // 101 million pixels: half of the limit
    ];
    for (const image of large) await expect(draw(image)).rejects.toMatchObject({ code: 'FILE_IMAGE_TOO_LARGE' });
    expect(await draw(png(10_100, 10_000))).toHaveLength(3);
  });

  describe('a truncated image', () => {
    /** An image with a red upper and a blue lower half. */
    const halves = async (height = 400): Promise<Sharp> => {
      const half = { width: 300, height: height / 2, channels: 3 } as const;
      const blue = await sharp({ create: { ...half, background: '#0000ff' } })
        .png()
        .toBuffer();
      return sharp({ create: { ...half, height, background: '#ff0000' } }).composite([{ input: blue, top: height / 2, left: 0 }]); // prettier-ignore
    };
    const colourAt = async (picture: Picture | undefined, y: number): Promise<string> => {
      const { data, info } = await sharp(picture!.bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
      const [red = 0, green = 0, blue = 0] = data.subarray(Math.floor(y * info.height) * info.width * 3);
      return red > 150 && green < 100 ? 'red' : blue > 150 && green < 100 ? 'blue' : 'none';
    };
    const drawn = async (bytes: Buffer): Promise<string[]> => {
      const [, , picture] = (await draw(bytes)) as Picture[];
      return [await colourAt(picture, 0.1), await colourAt(picture, 0.98)];
    };

    it.each<[string, (image: Sharp) => Sharp]>([
      ['JPEG', (image) => image.jpeg()],
      ['progressive JPEG', (image) => image.jpeg({ progressive: true })],
      ['PNG', (image) => image.png()],
      ['GIF', (image) => image.gif()],
    ])('%s is decoded up to its end', async (what, encode) => {
      const bytes = await encode(await halves()).toBuffer();
      expect(await drawn(bytes)).toEqual(['red', 'blue']);
      const end = what === 'GIF' ? 1 : what === 'PNG' ? 12 : 2;
      expect(await drawn(bytes.subarray(0, -end))).toEqual(['red', 'blue']); // only the end marker is missing
      expect((await drawn(bytes.subarray(0, -1)))[0]).toBe('red');
      const part = await drawn(bytes.subarray(0, Math.floor(bytes.length * (what === 'PNG' ? 0.5 : 0.9))));
      expect(part[0]).toBe('red');
    });

    it.each<[string, (image: Sharp) => Sharp, (bytes: Buffer) => number]>([
      ['JPEG', (image) => image.jpeg(), (bytes) => bytes.indexOf(Buffer.from([0xff, 0xda])) + 14],
      ['PNG', (image) => image.png(), (bytes) => bytes.indexOf('IDAT') + 6],
      ['GIF', (image) => image.gif(), () => 30],
    ])('%s without pixels is refused', async (_what, encode, headerOf) => {
      const bytes = await encode(await halves()).toBuffer();
      const failure = draw(bytes.subarray(0, headerOf(bytes)));
      await expect(failure).rejects.toMatchObject({ code: 'FILE_IMAGE_UNREADABLE' });
    });

    it('is not confused with a complete image that is black, grey or transparent', async () => {
      for (const background of ['#000000', '#808080', '#00000000']) {
        const image = sharp({ create: { width: 40, height: 30, channels: 4, background } });
        expect(await draw(await image.png().toBuffer())).toHaveLength(3);
      }
    });
  });

  it('decodes the first frame of an animated AVIF', async () => {
    const bytes = await solid(64, 48).avif({ effort: 0 }).toBuffer();
    bytes.write('avis', 8, 'latin1'); // its brand: a still image with an image sequence
    const film = Buffer.concat([bytes, Buffer.from('\0\0\0\x10free12345678', 'latin1')]);
    expect(await draw(film)).toEqual([128, 256, 512].map(() => expect.objectContaining({ width: 64, height: 48 })));
  });

  it.each([
    ['an SVG', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'],
    ['a PDF', '%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>'],
    ['a PPM', 'P6 1 1 255\nabc'],
    ['an empty file', ''],
  ])('does not decode %s', async (_what, text) => {
    await expect(draw(Buffer.from(text))).rejects.toMatchObject({ code: 'FILE_IMAGE_UNREADABLE' });
  });

  it('does not decode a file that ends too early', async () => {
    const whole = await solid(64, 64).png().toBuffer();
    const failure = draw(whole, new ImageDecoder(settings), whole.length + 1);
    await expect(failure).rejects.toMatchObject({ code: 'FILE_IMAGE_UNREADABLE' });
  });

  onLinux('cannot exceed its memory limit, and ends there', async () => {
    const image = webpWithSize(await solid(64, 64).webp().toBuffer(), 8_000, 8_000); // 256 MB when decoded
    const memory = 300 * MIB;
    const task = { bytes: image.length, pixels: 1e9, memory, sizes: [128] };
    const ending = await run(JSON.stringify(task), { program: DECODER, memory }, Readable.from(image));
    expect([ending.code, ending.output.toString()]).toEqual([1, 'r']);
    expect(ending.errors).toMatch(/memory/);
  });

  it('limits its own memory where the system does not', async () => {
    const image = await solid(4_000, 4_000).png().toBuffer();
    const task = { bytes: image.length, pixels: 1e9, memory: MIB, sizes: [128] };
    const child = spawn(process.execPath, [DECODER, JSON.stringify(task)], { env: {}, cwd: '/' });
    child.stdin.end(image);
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
  });
});
