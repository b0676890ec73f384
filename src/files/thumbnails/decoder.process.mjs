// Decodes an image in a process of its own: the file arrives on stdin, WebP pictures go to stdout.
// Plain JavaScript, so that the sources start as fast and with as little memory as the build.
import { Buffer } from 'node:buffer';
import { readSync } from 'node:fs';
import { setPriority } from 'node:os';
import sharp from 'sharp';

/** All other loaders are blocked: vector graphics, which may refer to other files, and documents. */
const LOADERS = ['JpegBuffer', 'PngBuffer', 'WebpBuffer', 'NsgifBuffer', 'HeifBuffer', 'TiffBuffer'];
/** Exit code. For other refusals, the exit code is Node's, or a signal kills the process. */
const TOO_MANY_PIXELS = 3;
const SCAN_MARKER = Buffer.from([0xff, 0xda, 0]);
const READY = Buffer.from('r');
const WEBP = { quality: 80, effort: 4 };
/**
 * Address space per pixel, bytes: the measured value and a reserve. PNG and JPEG need a few lines in memory, unless they
 * come in several passes; the other formats need the whole image.
 */
const BYTES_PER_PIXEL = { jpeg: 5, png: 5, webp: 8, gif: 8, tiff: 10, heif: 20 };
const BYTES_PER_PIXEL_IN_PASSES = 10;
/** Bytes for each of the `pixels` that are allowed. */
const BYTES_ALLOWED = 5;
/** Padding, bytes: libpng reads this many at once, and would drop the last bytes of a truncated file. */
const PNG_READ_AHEAD = 8_192;

/**
 * Maximum scans of a JPEG, or of all JPEGs in a TIFF. An encoder writes about ten; a small file may declare thousands of empty
 * ones, and each costs a pass over all pixels.
 */
const MAX_SCANS = 100;

/** `bytes`: size of the file. `memory`: limit of this process, bytes. `sizes`: longest sides, pixels. */
const { bytes, pixels, memory, sizes } = JSON.parse(process.argv[2]);

setPriority(10); // lower than the processes that answer requests
setInterval(watchMemory, 20).unref(); // the event loop is free while libvips works in its threads
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: LOADERS.map((loader) => `VipsForeignLoad${loader}`) });
sharp.concurrency(1);
sharp.cache(false);
process.stdout.write(READY); // from here on, an error is caused by the image

const padded = readAll(bytes);
const file = padded.subarray(0, bytes);
showFirstFrame(file);
if (countScans(file) > MAX_SCANS) process.exit(TOO_MANY_PIXELS);
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
 * Draws a truncated image as far as possible, unless nothing of it is readable. Decodes the image once: the largest
 * picture is the source of all others. The pictures have no metadata.
 */
async function draw(image) {
  const { data, info } = await decode(image, 'none');
  if (isBlank(data, info.channels)) await decode(image, 'error'); // throws when the file has no readable pixels
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

/** True when every pixel has the colour that decoders use for missing ones: black, or grey in a JPEG. */
function isBlank(data, channels) {
  const [first] = data;
  const hasAlpha = channels % 2 === 0;
  return (
    (first === 0 || first === 128) &&
    data.every((value, at) => value === first || (hasAlpha && at % channels === channels - 1))
  );
}

/**
 * Counts the headers of scans (ITU T.81, B.2.3): marker, length, number of components. Other bytes hardly ever look like one, and
 * a marker never occurs within the data of a scan.
 */
function countScans(image) {
  let scans = 0;
  for (let at = 0; (at = image.indexOf(SCAN_MARKER, at)) !== -1; at += SCAN_MARKER.length) {
    const [length, components] = [image[at + 3], image[at + 4]];
    if (components >= 1 && components <= 4 && length === 6 + 2 * components) scans++;
  }
  return scans;
}

/** Marks an animated AVIF as a still one: libvips then reads its first frame, which is stored as a still image, too. */
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

/** Limits the memory where the system does not (macOS and Windows). Kills, since an exit would wait for the threads. */
function watchMemory() {
  if (process.memoryUsage.rss() > memory) process.kill(process.pid, 'SIGKILL');
}
