// Pictures of an image, as small as thumbnails are. Nothing is decoded here: a confined process does it, and is not believed.
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';
import { FileErrors } from '../files.errors.js';
import { runConfined } from './confined-process.js';
import { THUMBNAIL_SIZES } from './thumbnail-sizes.js';
import { type Picture, readWebp } from './webp.js';

/** Of a file, bytes. */
const MOST_BYTES = 64 * 1_048_576;
/** Node and sharp with a small image take 220 MiB of address space. */
const BASE_MEMORY = 384 * 1_048_576;
/** How much the decoder allows itself; formats that take more of it for a pixel may have fewer. */
const BYTES_PER_PIXEL = 5;
/** Of one picture; 512 × 512 pixels of noise, half seen through, take 446 KB. */
const MOST_PICTURE = 1_048_576;
const MOST_OUTPUT = 1 + THUMBNAIL_SIZES.length * (4 + MOST_PICTURE);
/** Exit code. */
const TOO_MANY_PIXELS = 3;

@Injectable()
export class ImageDecoder {
  protected readonly program: string = fileURLToPath(new URL('decoder.process.mjs', import.meta.url));
  /** More than the processor time that it is limited to on Linux. */
  protected readonly wallMs: number = 45_000;

  constructor(private readonly config: AppConfig) {}

  /**
   * One picture for each of THUMBNAIL_SIZES, upright, in sRGB, without metadata. `size`: of `image`, bytes. Throws
   * IMAGE_TOO_LARGE, IMAGE_UNREADABLE, what `image` fails with, and the signal's reason.
   */
  async draw(image: Readable, size: number, signal: AbortSignal): Promise<Picture[]> {
    const pixels = this.config.files.thumbnailPixels;
    const tooLarge = (): Error => FileErrors.IMAGE_TOO_LARGE(pixels, MOST_BYTES);
    if (size > MOST_BYTES) {
      image.destroy();
      throw tooLarge();
    }
    const memory = BASE_MEMORY + size + pixels * BYTES_PER_PIXEL;
    const { output, code, isLate, errors } = await runConfined(image, {
      program: this.program,
      argument: JSON.stringify({ bytes: size, pixels, memory, sizes: THUMBNAIL_SIZES }),
      ...{ memory, wallMs: this.wallMs, mostOutput: MOST_OUTPUT, signal },
    });
    if (output.length === 0) throw new Error(`The decoder of images did not start: ${errors}`); // it saw nothing of the image
    if (isLate) throw new Error(`The decoder of images was not done after ${this.wallMs} ms`); // the machine may be too busy
    if (code === TOO_MANY_PIXELS) throw tooLarge();
    const pictures = code === 0 ? readPictures(output.subarray(1)) : null;
    if (!pictures) throw Object.assign(FileErrors.IMAGE_UNREADABLE(), { cause: `exit code ${code}: ${errors}` });
    return pictures;
  }
}

/** Each with its length before it. Null unless they are what was asked for, and nothing else. */
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
