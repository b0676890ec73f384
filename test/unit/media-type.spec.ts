// What bytes are, in time that does not grow with how they are made.
import { describe, expect, it } from '@jest/globals';
import { mediaTypeOf, SNIFFED_BYTES } from '../../src/files/blobs/media-type.js';

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
])('%j is %s', async (text, type) => expect(await typeOf(text)).toBe(type));

describe('the worst that can be thought of takes no time', () => {
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
    const began = performance.now();
    for (const end of ['', 'x', '<svg', '-->'])
      await typeOf(piece.repeat(SNIFFED_BYTES / piece.length).slice(0, SNIFFED_BYTES - end.length) + end);
    expect(performance.now() - began).toBeLessThan(200);
  });
});
