// Media type detection on several hundred small files, each with the types that common programs declare.
import { expect, it } from '@jest/globals';
import { mediaTypeOf, SNIFFED_BYTES } from '../../src/storage/media-types/media-type.js';
import { contentTypeOf } from '../../src/files/content/content-headers.js';
import { corpus } from '../support/files/corpus/table.js';

/** Types that browsers never execute. */
const INERT =
  /^(application\/(octet-stream|pdf|json)|image\/(avif|gif|jpeg|png|webp)|text\/(plain|csv)(; charset=utf-(8|16|32))?)$/;

const samples = await corpus();

it('the corpus has at least 150 files of 60 types', () => {
  expect(samples.length).toBeGreaterThanOrEqual(150);
  expect(new Set(samples.map(([, , , expected]) => expected)).size).toBeGreaterThanOrEqual(60);
});

it.each(samples.map(([name, bytes, declared, expected]) => ({ name, bytes, declared, expected })))(
  '$name, declared as $declared, is detected as $expected',
  async ({ name, bytes, declared, expected }) => {
    const head = bytes.length > SNIFFED_BYTES ? bytes.subarray(0, SNIFFED_BYTES) : bytes;
    const { mediaType, charset } = await mediaTypeOf(head, { declaredType: declared, name }, bytes === head);
    expect(mediaType).toBe(expected);
    expect(contentTypeOf({ mimeType: mediaType, charset })).toMatch(INERT);
  },
);

it.each([
  ['UTF-8', Buffer.from('Zoë'), 'utf-8'],
  ['UTF-16', Buffer.from('\uFEFFZoë', 'utf16le'), 'utf-16'],
  ['Windows-1252', Buffer.from('Zoë', 'latin1'), null],
  ['Windows-1252, the last character of the file', Buffer.from('café', 'latin1'), null],
  ['binary data', Buffer.from('a\0b'), null],
])('the detected encoding of %s', async (_what, bytes, expected) => {
  expect((await mediaTypeOf(bytes, { declaredType: 'text/plain' }, true)).charset).toBe(expected);
});

it('a character that the end of the inspected bytes splits still counts as UTF-8', async () => {
  const head = Buffer.from('café').subarray(0, 4);
  expect(await mediaTypeOf(head, { declaredType: 'text/plain' }, false)).toEqual({ mediaType: 'text/plain', charset: 'utf-8' }); // prettier-ignore
});

it('the first bytes of a file decide its type, whatever its length', async () => {
  for (const [name, bytes, declaredType, expected] of samples) {
    if (bytes.length < SNIFFED_BYTES) continue;
    const { mediaType } = await mediaTypeOf(bytes.subarray(0, SNIFFED_BYTES), { declaredType, name }, false);
    expect([name, mediaType]).toEqual([name, expected]);
  }
});
