// Makes thumbnails of an image. A restricted process decodes the image; its output is not trusted.
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';
import { FileSettings } from '../files.settings.js';
import { FileErrors } from '../files.errors.js';
import { runConfined } from './confined-process.js';
import { THUMBNAIL_SIZES } from './thumbnail-sizes.js';
import { type Picture, readWebp } from './webp.js';

/** Maximum size of a file, bytes. */
const MAX_BYTES = 64 * 1_048_576;
/** Address space, bytes. Node and sharp with a small image take 220 MiB. */
const BASE_MEMORY = 384 * 1_048_576;
/** Memory of the decoder per pixel; formats that need more may have fewer pixels. */
const BYTES_PER_PIXEL = 5;
/** Maximum size of one picture, bytes; 512 × 512 pixels of noise with half transparency take 446 KB. */
const MAX_PICTURE = 1_048_576;
const MAX_OUTPUT = 1 + THUMBNAIL_SIZES.length * (4 + MAX_PICTURE);
/** Exit code of the decoder for too many pixels. */
const TOO_MANY_PIXELS = 3;

@Injectable()
export class ImageDecoder {
  protected readonly program: string = fileURLToPath(new URL('decoder.process.mjs', import.meta.url));
  /** More than the limit of its CPU time on Linux. */
  protected readonly wallMs: number = 45_000;

  constructor(private readonly settings: FileSettings) {}

  /**
   * Returns one picture for each of THUMBNAIL_SIZES: upright, in sRGB, without metadata. `size`: bytes of `image`. Throws
   * IMAGE_TOO_LARGE, IMAGE_UNREADABLE, the error of `image`, and the signal's reason.
   */
  async draw(image: Readable, size: number, signal: AbortSignal): Promise<Picture[]> {
    const pixels = this.settings.thumbnailPixels;
    const tooLarge = (): Error => FileErrors.IMAGE_TOO_LARGE(pixels, MAX_BYTES);
    if (size > MAX_BYTES) {
      image.destroy();
      throw tooLarge();
    }
    const memory = BASE_MEMORY + size + pixels * BYTES_PER_PIXEL;
    const { output, code, isLate, errors } = await runConfined(image, {
      program: this.program,
      argument: JSON.stringify({ bytes: size, pixels, memory, sizes: THUMBNAIL_SIZES }),
      ...{ memory, wallMs: this.wallMs, maxOutput: MAX_OUTPUT, signal },
    });
    if (output.length === 0) throw new Error(`The decoder of images did not start: ${errors}`); // before it read the image
    if (isLate) throw new Error(`The decoder of images was not done after ${this.wallMs} ms`); // the machine may be too busy
    if (code === TOO_MANY_PIXELS) throw tooLarge();
    const pictures = code === 0 ? readPictures(output.subarray(1)) : null;
    if (!pictures) throw Object.assign(FileErrors.IMAGE_UNREADABLE(), { cause: `exit code ${code}: ${errors}` });
    return pictures;
  }
}

/** Parses pictures, each with its length before it. Returns null unless they are exactly the requested ones. */
function readPictures(output: Buffer): Picture[] | null {
  const pictures: Picture[] = [];
  let rest = output;
  for (const size of THUMBNAIL_SIZES) {
    if (rest.length < 4) return null;
    const end = 4 + rest.readUInt32BE(0);
    const picture = end <= rest.length ? readWebp(rest.subarray(4, end)) : null;
    if (!picture || Math.max(picture.width, picture.height) > size) return null;
    pictures.push(picture);
    rest = rest.subarray(end);
  }
  return rest.length === 0 ? pictures : null;
}
