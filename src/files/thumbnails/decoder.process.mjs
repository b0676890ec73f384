// The program that decodes an image, in a process of its own: the file comes in by stdin, WebP pictures go out by stdout.
// Plain JavaScript: the sources start as fast, in as little memory, as the build does.
import { Buffer } from 'node:buffer';
import { readSync } from 'node:fs';
import { setPriority } from 'node:os';
import sharp from 'sharp';

/** Nothing else is let in: no vector graphics, which may name other files, and no documents. */
const LOADERS = ['JpegBuffer', 'PngBuffer', 'WebpBuffer', 'NsgifBuffer', 'HeifBuffer', 'TiffBuffer'];
/** Exit code. Of what is refused otherwise the exit code is Node's, or a signal. */
const TOO_MANY_PIXELS = 3;
const READY = Buffer.from('r');
const WEBP = { quality: 80, effort: 4 };
/**
 * Address space for a pixel, bytes: what was measured, and some more. Of PNG and JPEG a few lines are in memory at a time,
 * unless they come in several passes; of the others the whole image.
 */
const BYTES_PER_PIXEL = { jpeg: 5, png: 5, webp: 8, gif: 8, tiff: 10, heif: 20 };
const BYTES_PER_PIXEL_IN_PASSES = 10;
/** For each of the `pixels` that are allowed. */
const BYTES_ALLOWED = 5;
/** libpng reads so many bytes at once: where the file was cut, those that are there would be lost with those that are not. */
const PNG_READ_AHEAD = 8_192;

/** `bytes`: of the file. `memory`: bytes that all of this may take. `sizes`: longest sides, in pixels. */
const { bytes, pixels, memory, sizes } = JSON.parse(process.argv[2]);

setPriority(10); // whoever waits for an answer goes first
setInterval(watchMemory, 20).unref(); // the event loop is free while libvips works in its threads
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: LOADERS.map((loader) => `VipsForeignLoad${loader}`) });
sharp.concurrency(1);
sharp.cache(false);
process.stdout.write(READY); // what goes wrong from now on is the image's doing

const padded = readAll(bytes);
const file = padded.subarray(0, bytes);
showFirstFrame(file);
const { format, width, height, isProgressive } = await readHeader(file);
const bytesPerPixel = isProgressive ? BYTES_PER_PIXEL_IN_PASSES : BYTES_PER_PIXEL[format];
const maxPixels = Math.min(pixels, Math.floor((pixels * BYTES_ALLOWED) / bytesPerPixel));
if (width * height > maxPixels) process.exit(TOO_MANY_PIXELS);
const image = format === 'png' ? padded : file;
for (const picture of await draw(image)) process.stdout.write(Buffer.concat([lengthOf(picture), picture]));

function readHeader(image) {
  return sharp(image, { limitInputPixels: false, failOn: 'none', pages: 1 }).metadata();
}

/**
 * What was cut off is drawn as far as it goes, unless nothing is there. The image is decoded once: the largest picture is
 * the source of all. Neither it nor they have metadata.
 */
async function draw(image) {
  const { data, info } = await decode(image, 'none');
  if (isBlank(data, info.channels)) await decode(image, 'error'); // throws when there are no pixels behind it
  const { width, height, channels } = info;
  const raw = { width, height, channels };
  return Promise.all(sizes.map((size) => within(sharp(data, { raw }), size).webp(WEBP).toBuffer()));
}

function decode(image, failOn) {
  const options = { limitInputPixels: maxPixels, failOn, sequentialRead: true, pages: 1 };
  return within(sharp(image, options).autoOrient(), Math.max(...sizes))
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
}

/** Whether every pixel has the colour that decoders give to those that are missing: black, or grey in a JPEG. */
function isBlank(data, channels) {
  const [first] = data;
  const hasAlpha = channels % 2 === 0;
  return (
    (first === 0 || first === 128) &&
    data.every((value, at) => value === first || (hasAlpha && at % channels === channels - 1))
  );
}

/** An animated AVIF holds its first frame as a still image too, which libvips reads when it is not told of the rest. */
function showFirstFrame(image) {
  if (image.toString('latin1', 4, 12) === 'ftypavis') image.write('avif', 8, 'latin1');
}

function within(image, size) {
  return image.resize(size, size, { fit: 'inside', withoutEnlargement: true });
}

function readAll(length) {
  const all = Buffer.alloc(length + PNG_READ_AHEAD);
  for (let at = 0, read; at < length; at += read) {
    read = readSync(0, all, at, length - at, null);
    if (read === 0) throw new Error('The file ends too early.');
  }
  return all;
}

function lengthOf(picture) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(picture.length);
  return length;
}

/** Where no limit is set from outside, as on macOS and Windows. An exit would wait for the threads. */
function watchMemory() {
  if (process.memoryUsage.rss() > memory) process.kill(process.pid, 'SIGKILL');
}
