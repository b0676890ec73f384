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

/** `bytes`: of the file. `memory`: bytes that all of this may take. `sizes`: longest sides, in pixels. */
const { bytes, pixels, memory, sizes } = JSON.parse(process.argv[2]);
const options = { limitInputPixels: pixels, failOn: 'error', sequentialRead: true, pages: 1 };

setPriority(10); // whoever waits for an answer goes first
setInterval(watchMemory, 20).unref(); // the event loop is free while libvips works in its threads
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: LOADERS.map((loader) => `VipsForeignLoad${loader}`) });
sharp.concurrency(1);
sharp.cache(false);
process.stdout.write(READY); // what goes wrong from now on is the image's doing

const file = readAll(bytes);
const { width, height } = await sharp(file, { ...options, limitInputPixels: false }).metadata(); // its header only
if (width * height > pixels) process.exit(TOO_MANY_PIXELS);
for (const picture of await draw(file)) process.stdout.write(Buffer.concat([lengthOf(picture), picture]));

/** The image is decoded once: the largest picture is the source of all. Neither it nor they have metadata. */
async function draw(image) {
  const { data, info } = await within(sharp(image, options).autoOrient(), Math.max(...sizes))
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const raw = { width, height, channels };
  return Promise.all(sizes.map((size) => within(sharp(data, { raw }), size).webp(WEBP).toBuffer()));
}

function within(image, size) {
  return image.resize(size, size, { fit: 'inside', withoutEnlargement: true });
}

function readAll(length) {
  const all = Buffer.alloc(length);
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
