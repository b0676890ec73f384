// Nearly valid multipart bodies: a form with one or more damaged parts (RFC 7578, RFC 2046).
import { below, pick, type Random } from './random.js';

export interface FuzzedForm {
  contentType: string;
  body: Buffer;
}

const NAMES = [
  'a.txt', '', '.', '..', '../../../../tmp/decoy', '/tmp/decoy', 'C:\\decoy', 'a\0b', 'a%00b', 'a\r\nX-Injected: yes', 'a\nb', '\u202egnp.exe',
  'CON', 'a'.repeat(5_000), '"', '\\"', 'a";b="c', "'; DROP TABLE files; --", '<script>alert(1)</script>', '\ud800', 'é', '%2e%2e%2f', '....//', '~root', '*', '$(id)', ';', '=',
]; // prettier-ignore
const TYPES = [
  'text/plain', '', 'x', '/', 'text/', '/plain', 'text/plain; charset=utf-16', 'text/html', 'multipart/mixed; boundary=inner', 'a'.repeat(5_000) + '/b',
  'text/plain\0', 'TEXT/PLAIN', 'text/plain;;;;', 'application/octet-stream',
]; // prettier-ignore
const CONTENTS = [
  '',
  'x',
  'hello\r\nworld',
  '\0'.repeat(100),
  '--b',
  '\r\n--b',
  '\r\n--b--',
  '%PDF-1.7',
  'PK\x03\x04',
  'GIF89a',
  '<svg onload=x>',
];
const BOUNDARIES = ['b', 'b'.repeat(70), 'b'.repeat(200), "a'b", 'a=b', '-', '--', '----b', 'ü', ''];
const NAMED = ['file', 'File', 'files', 'file[]', '', '__proto__', 'constructor', 'file\0', 'toString'];

/** Small bodies, so that many can be sent; some of them are valid. */
export function fuzzedForm(random: Random): FuzzedForm {
  const boundary = random() < 0.8 ? 'b' : pick(random, BOUNDARIES);
  const end = random() < 0.9 ? '\r\n' : pick(random, ['\n', '\r', '', '\r\n\r\n']);
  const parts = Array.from({ length: random() < 0.8 ? 1 : below(random, 5) }, () => part(random, boundary, end));
  const close =
    random() < 0.85
      ? `--${boundary}--\r\n`
      : pick(random, ['', `--${boundary}`, `--${boundary}-`, `--${boundary}--x`, '--']);
  const preamble = random() < 0.95 ? '' : pick(random, ['preamble', '\r\n', '\0', `--${boundary}x\r\n`]);
  const body = Buffer.from(preamble + parts.join('') + close, random() < 0.9 ? 'utf8' : 'latin1');
  return { contentType: contentType(random, boundary), body: random() < 0.7 ? body : damaged(random, body) };
}

function contentType(random: Random, boundary: string): string {
  const usual = `multipart/form-data; boundary=${boundary}`;
  if (random() < 0.85) return usual.replace(/[^\x20-\x7e]/g, '');
  const strange = [
    'multipart/form-data', 'multipart/form-data;', 'multipart/form-data; boundary=', 'multipart/form-data; boundary=""', `multipart/form-data; boundary="${boundary}"`,
    `multipart/form-data; charset=x; boundary=${boundary}; boundary=c`, `multipart/form-data; Boundary=${boundary}`, `multipart/mixed; boundary=${boundary}`,
    'multipart/form-data; boundary=other', `MULTIPART/FORM-DATA; boundary=${boundary}`, `multipart/form-data; boundary=${boundary};${' x=y;'.repeat(200)}`,
  ]; // prettier-ignore
  return pick(random, strange).replace(/[^\x20-\x7e]/g, '');
}

function part(random: Random, boundary: string, end: string): string {
  const name = random() < 0.8 ? 'file' : pick(random, NAMED);
  const filename = pick(random, NAMES);
  const dispositions = [
    `form-data; name="${name}"; filename="${filename}"`, `form-data; name="${name}"; filename="${filename}"`, `form-data; name="${name}"; filename="${filename}"`,
    `form-data; name="${name}"`, `form-data; filename="${filename}"`, `form-data; name=${name}; filename=${filename}`, `attachment; name="${name}"; filename="${filename}"`,
    `form-data; name="${name}"; filename*=UTF-8''${encodeURIComponent(filename.toWellFormed())}`, `form-data; name="${name}"; filename*=x''%ff%fe`,
    `form-data; name="${name}"; name="other"; filename="a"; filename="b"`, '', 'form-data', `form-data; ${'x="y"; '.repeat(500)}name="${name}"; filename="a"`,
  ]; // prettier-ignore
  const headers = [`Content-Disposition: ${pick(random, dispositions)}`, `Content-Type: ${pick(random, TYPES)}`];
  if (random() < 0.15) headers.push(pick(random, ['Content-Transfer-Encoding: base64', 'Content-Length: 5', 'X: y'.repeat(300), ': x', 'no colon', '\0: \0', ' folded', 'Content-Disposition: form-data; name="again"'])); // prettier-ignore
  if (random() < 0.05) headers.push(...Array.from({ length: 50 }, (_, at) => `X-${at}: ${at}`));
  if (random() < 0.1) headers.reverse();
  if (random() < 0.05) headers.length = 0;
  return `--${boundary}${end}${headers.join(end)}${end}${end}${pick(random, CONTENTS)}${end}`;
}

/** Changes, removes, duplicates or truncates bytes. */
function damaged(random: Random, body: Buffer): Buffer {
  const at = below(random, body.length + 1);
  const harms: Array<() => Buffer> = [
    () => body.subarray(0, at),
    () => body.subarray(at),
    () => Buffer.concat([body.subarray(0, at), Buffer.from([below(random, 256)]), body.subarray(at + 1)]),
    () => Buffer.concat([body.subarray(0, at), body]),
    () => Buffer.concat([body.subarray(0, at), Buffer.from('\r\n\r\n'), body.subarray(at)]),
    () => Buffer.concat([body, Buffer.from('x'.repeat(below(random, 2_000)))]),
    () => Buffer.from(Array.from({ length: below(random, 300) }, () => below(random, 256))),
  ];
  return pick(random, harms)();
}
