// The head of a multipart form part: accepted only when every parser reads it the same way, in bounded time.
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { describe, expect, it } from '@jest/globals';
import { type PartHead, watchFormHeads } from '../../src/files/form-head.js';

const FORM = 'multipart/form-data; boundary=b';

async function headOf(body: string | Buffer[], index = 0, contentType = FORM): Promise<PartHead | null> {
  const source = typeof body === 'string' ? [Buffer.from(body)] : body;
  const stream = Readable.from(source, { objectMode: true });
  const heads = watchFormHeads(stream, contentType);
  await finished(stream.resume());
  return heads.of(index);
}
const isSound = async (body: string | Buffer[], contentType = FORM): Promise<boolean> =>
  (await headOf(body, 0, contentType)) !== null;
const form = (headers: string, boundary = 'b'): string => `--${boundary}\r\n${headers}\r\n\r\nx\r\n--${boundary}--\r\n`;
const NAMED = 'Content-Disposition: form-data; name="file"; filename="a"';

it.each([
  [NAMED],
  ['Content-Disposition: form-data; name="file"; filename=a'],
  ['content-disposition: form-data; name="file"; filename="a \\"b\\" \\\\"'],
  ['Content-Disposition: form-data;\r\n name="file";\r\n\tfilename="a"'],
  [`Content-Type: text/plain; x="\r\n${NAMED}`],
  [`${NAMED}; filename*=utf-8''a`],
  [`${NAMED};\r\nContent-Description: pipes\r\n 7" long`],
  ['Content-Disposition: form-data; name=file; filename="a; b=c; d=e"'],
  ['Content-Disposition: form-data; name="file"'],
])('accepts the headers %j', async (headers) => {
  expect(await isSound(form(headers))).toBe(true);
  expect(await isSound(`preamble "\r\n${form(headers)}`)).toBe(true);
  expect(await isSound([...Buffer.from(form(headers))].map((byte) => Buffer.from([byte])))).toBe(true);
});

it.each([
  ['Content-Disposition: form-data; name="file"; filename="a\r\nSet-Cookie: b=c"'],
  ['Content-Disposition: form-data; name="file"; filename="a\r\n folded"'],
  ['Content-Disposition: form-data; name="file";\r\n filename="a\r\nX: y"'],
  ['Content-Disposition: form-data; name="file"; filename="a\\"\r\nX: y"'],
  [`Content-Type: text/plain\r\nContent-Disposition: form-data; filename="a\r\n\r\n"`],
  ['Content-Disposition: form-data; name="file"; filename="6" pipe.txt"'],
  ['Content-Disposition: form-data; name="file"; filename="a" b\r\nSet-Cookie: c=d"'],
  ['Content-Disposition: form-data; name="file"; filename="a"; FileName="b"'],
  ['Content-Disposition: form-data; name="file"; filename=a b'],
  [`${NAMED}\r\n${NAMED}`],
  ['Content-Type: text/plain'],
  [`Content-Disposition: form-data${';  a=    '.repeat(1_000)}"`], // must not cause backtracking
  [`Content-Disposition: form-data${';  a="\\\\"   '.repeat(1_000)}"`],
  [`Content-Disposition: form-data; name=""; filename=`],
  [`X: ${'y'.repeat(70_000)}\r\n${NAMED}`],
])('refuses ambiguous or malformed headers, case %#', async (headers) => {
  expect(await isSound(form(headers))).toBe(false);
});

it.each([
  ['multipart/form-data;boundary=b'],
  ['Multipart/Form-Data; Boundary="b"'],
  ['multipart/form-data; charset=utf-8; boundary=b; x="y z";'],
  ['multipart/form-data; x.y=1; x*=utf-8\'\'b; title="a\\"; boundary=c"; boundary = b'],
])('accepts the boundary of %j', async (contentType) => {
  expect(await isSound(form(NAMED), contentType)).toBe(true);
});

it.each([
  ['multipart/form-data'],
  ['multipart/form-data; boundary=b; boundary=c'],
  ["multipart/form-data; boundary*=utf-8''b"],
  ['multipart/form-data; boundary="\\b"'],
  ['multipart/form-data; boundary=""'],
  ["multipart/form-data; boundary=b; boundary*=utf-8''b"],
  ['multipart/form-data; x="; boundary=b"; boundary=c'],
  ['multipart/form-data; x="; boundary=b'],
  ['multipart/form-data; boundary=other'],
])('refuses an ambiguous or missing boundary: %j', async (contentType) => {
  expect(await isSound(form(NAMED), contentType)).toBe(false);
});

it.each([
  ['not at the beginning of a line', `x--b\r\n${NAMED}\r\n\r\n`],
  ['with more in its line', `--bc\r\n${NAMED}\r\n\r\n${form(NAMED)}`],
  ['after 70,000 bytes', `${'x'.repeat(70_000)}\r\n${form(NAMED)}`],
  ['without the end of the head', `--b\r\n${NAMED}\r\n`],
])('refuses a delimiter %s', async (_where, body) => {
  expect(await isSound(body)).toBe(false);
});

it('reads the first bytes only', () => {
  const stream = Readable.from([], { objectMode: true });
  const heads = watchFormHeads(stream, FORM);
  for (let sent = 0; sent < 70_000; sent += 7) {
    expect(stream.listenerCount('data')).toBe(sent < 65_536 ? 1 : 0);
    stream.emit('data', Buffer.from('1234567'));
  }
  expect(heads.of(0)).toBeNull();
});

describe('a text field before the file', () => {
  const TEXT = 'Content-Disposition: form-data; name="type"';
  const field = (value = 'text/plain', head = TEXT): string => `--b\r\n${head}\r\n\r\n${value}\r\n`;

  it('is skipped', async () => {
    const body = `${field()}${field('')}${form(NAMED)}`;
    for (const index of [0, 1, 2]) expect(await headOf(body, index)).toEqual({ hasEncodedName: false });
    expect(await headOf(body, 3)).toBeNull();
    expect(await headOf(`${field()}${form(`${NAMED}; filename*=utf-8''b`)}`, 1)).toEqual({ hasEncodedName: true });
    expect(await headOf(`${field()}${form(`Content-Disposition: form-data; name="file"; filename="a; filename*=b"`)}`, 1)).toEqual({ hasEncodedName: false }); // prettier-ignore
  });

  it.each([
    ['is malformed itself', `${field('', `${TEXT}; name="x"`)}${form(NAMED)}`],
    ['has no end', `${field('--b')}${form(NAMED)}`],
    ['begins with a longer delimiter', `${field('a\r\n--bc')}${form(NAMED)}`],
    ['precedes a file with a malformed head', `${field()}${form(`${NAMED}; filename="c"`)}`],
    ['is very long', `${field('x'.repeat(70_000))}${form(NAMED)}`],
  ])('refuses the form when it %s', async (_what, body) => {
    expect(await headOf(body, 1)).toBeNull();
  });
});
