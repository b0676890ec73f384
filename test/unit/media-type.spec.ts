// Media type detection, and its running time on hostile input.
import { describe, expect, it } from '@jest/globals';
import { mediaTypeOf, SNIFFED_BYTES } from '../../src/storage/media-types/media-type.js';
import { below, seeded } from '../support/fuzz/random.js';

const typeOf = async (text: string, declaredType = 'text/plain'): Promise<string> =>
  (await mediaTypeOf(Buffer.from(text), { declaredType }, true)).mediaType;

it.each([
  ['plain', 'text/plain'],
  ['<p>', 'text/html'],
  ['<plain', 'text/plain'],
  ['< p>', 'text/plain'],
  ['\uFEFF \n<HTML lang=en>', 'text/html'],
  ['<!-- a --> <!-- b --><script>', 'text/html'],
  ['<!-- a', 'text/html'],
  ['<!---->x', 'text/html'],
  ['<?xml version="1.0"?><!-- a --><!DOCTYPE svg PUBLIC "x"><svg>', 'image/svg+xml'],
  ['<svg>', 'image/svg+xml'],
  ['<?xml version="1.0"?><note>', 'application/xml'],
  ['<?xml version="1.0"?><html>', 'text/html'],
])('%j is detected as %s', async (text, type) => expect(await typeOf(text)).toBe(type));

it.each([
  ['image/png', '\x89PNG\r\n\x1A\n\0\0\0\rIHDR'],
  ['image/jpeg', '\xFF\xD8\xFF\xE0'],
  ['image/gif', 'GIF89a'],
  ['image/tiff', 'II*\0'],
  ['image/tiff', 'MM\0*'],
  ['image/webp', 'RIFF....WEBPVP8 '],
  ['application/zip', 'PK\x03\x04'],
  ['audio/mpeg', 'ID3\x04\0\0\x7F\x7F\x7F\x7F'],
])('content with the signature of %s has that type, whatever follows', async (type, signature) => {
  const random = seeded(7);
  const seen = new Set<string>();
  for (let round = 0; round < 50; round++) {
    const rest = Uint8Array.from({ length: SNIFFED_BYTES - signature.length }, () => below(random, 256));
    const head = Buffer.concat([Buffer.from(signature, 'latin1'), rest]);
    seen.add((await mediaTypeOf(head, { declaredType: 'application/octet-stream' }, false)).mediaType);
  }
  expect([...seen]).toEqual([type]);
});

describe('detection on a hostile input takes bounded time', () => {
  it.each([
    ['comments', '<!---->'],
    ['comments and spaces', '<!-- --> '],
    ['half comments', '<!--'],
    ['comments in comments', '<!--<!--'],
    ['declarations', '<?xml?>'],
    ['half declarations', '<?xml '],
    ['tags', '<a'],
    ['spaces', ' '],
    ['doctypes', '<!doctype svg '],
  ])('%s', async (_what, piece) => {
    const began = process.cpuUsage();
    for (const end of ['', 'x', '<svg', '-->'])
      await typeOf(piece.repeat(SNIFFED_BYTES / piece.length).slice(0, SNIFFED_BYTES - end.length) + end);
    expect(process.cpuUsage(began).user / 1_000).toBeLessThan(300); // ms
  });
});
