// Requests that are cheap to send but expensive for an unprotected server: bodies, headers and targets by name.
import { exampleOf, type Schema } from '../http/openapi.js';

type Bytes = string | Buffer;

/** Returns a body of at most `bytes` bytes; `schema` describes a valid body of the route. */
export type BodyShape = (bytes: number, schema: Schema) => Bytes;

/** Repeats `unit` as often as `bytes` permits. */
function fill(bytes: number, unit: string, before = '', after = ''): string {
  const left = bytes - Buffer.byteLength(before + after);
  return before + unit.repeat(Math.max(0, Math.floor(left / Buffer.byteLength(unit)))) + after;
}

/** Puts an equal share of the permitted bytes into each member of a valid body. */
function inEachMember(make: (bytes: number) => string): BodyShape {
  return (bytes, schema) => {
    const names = Object.keys(exampleOf(schema) ?? {});
    const value = make(Math.floor((bytes - 2) / Math.max(1, names.length)) - 40);
    return `{${names.map((name) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
  };
}

const text = (unit: string, before = '', after = '') =>
  inEachMember((bytes) => fill(bytes, unit, `"${before}`, `${after}"`));
const json = (unit: string, before: string, after: string) => inEachMember((bytes) => fill(bytes, unit, before, after));
const whole =
  (unit: string, before = '', after = ''): BodyShape =>
  (bytes) =>
    fill(bytes, unit, before, after);

const list = (count: number, item: string) => `[${Array<string>(count).fill(item).join(',')}]`;
const object = (count: number, value: string) =>
  `{${Array.from({ length: count }, (_, at) => `"unknown${at}":${value}`).join(',')}}`;
const whereItFits =
  (body: string): BodyShape =>
  (bytes) =>
    body.length <= bytes ? body : fill(bytes, '0,', '[', '0]');

function distinctKeys(bytes: number, key: (at: number) => string): string {
  const members: string[] = [];
  for (let length = 2, at = 0; ; at++) {
    const member = `"${key(at)}":0`;
    length += member.length + 1;
    if (length > bytes) return `{${members.join(',')}}`;
    members.push(member);
  }
}

const THIRTY_MARKS = `a${'\u0323\u0300'.repeat(15)}`;

/** A hundred valid tasks whose descriptions together use all permitted bytes. */
const hundredTasks =
  (unit: string): BodyShape =>
  (bytes) => {
    const task = fill(Math.floor((bytes - 12) / 100) - 1, unit, '{"title":"x","description":"', '"}');
    return `{"tasks":${list(100, task)}}`;
  };

export const BODY_SHAPES: Readonly<Record<string, BodyShape>> = {
  'combining marks in the wrong order': text('\u0323\u0300', 'a'),
  'combining marks in the wrong order, escaped': text('\\u0323\\u0300', 'a'),
  'combining marks of one class': text('\u0300', 'a'),
  'thirty combining marks on each letter': text(THIRTY_MARKS),
  'marks that decompose into two': text('\u0f73\u0323', 'a'),
  'half-width voicing marks between accents': text('\uff9e\u0300', 'a'),
  'variation selectors': text('\ufe0f'),
  'emoji with joiners': text('👩\u200d'),
  'ligatures that decompose into 18 letters': text('\ufdfa'),
  'Hangul syllables in pieces': text('\u1100\u1161\u11a8'),
  blanks: text(' '),
  'wide blanks, then a letter': text('\u3000', '', 'x'),
  'at signs': text('@'),
  'domain labels': text('a.', 'a@', 'com'),
  'quotes in the local part of an e-mail': text('\\"', '', '@example.com'),
  'angle brackets': text('<', 'Ada ', 'a@example.com>'),
  'an endless fraction of a second': text('0', '2030-01-31T09:00:00.', 'Z'),
  'pattern characters': text('%_\\\\'),
  'capital letters that grow in lower case': text('\u0130', '', '@example.com'),
  'escaped line breaks': text('\\n'),
  'escaped letters': text('\\u0041'),
  'escaped surrogate pairs': text('\\ud83d\\ude00'),
  'backslashes': text('\\\\'),
  'a percent-encoded path': text('%2e%2e%2f', '/api/'),
  'empty lists': json('[],', '[', '[]]'),
  'empty objects': json('{},', '[', '{}]'),
  'short texts': json('"a",', '[', '"a"]'),
  'texts with escapes': json('"\\u0041",', '[', '"a"]'),
  'nested lists in each member': inEachMember((bytes) => '['.repeat(bytes / 2) + ']'.repeat(bytes / 2)),
  'a long number': json('1', '', ''),
  'a number with an endless fraction': json('1', '0.', ''),
  'a number with an endless exponent': json('9', '1e', ''),
  'distinct unknown members': (bytes) => distinctKeys(bytes, (at) => `k${at}`),
  'unknown members that are numbers': (bytes) => distinctKeys(bytes, (at) => String(9_999_999 - at)),
  'unknown members with long names': (bytes) => distinctKeys(bytes, (at) => `${'k'.repeat(240)}${at}`),
  'one unknown member with a name of the whole size': (bytes) => `{"${'k'.repeat(bytes - 6)}":0}`,
  'a thousand unknown members': whereItFits(object(1_000, '"x"')),
  'ten thousand values in unknown members': whereItFits(object(9, list(999, '{}'))),
  'one member again and again': whole('"email":"a@example.com",', '{', '"name":"x"}'),
  'lists of tasks without members': whereItFits(`{"tasks":${list(500, '{}')},"requests":${list(20, '{}')}}`),
  'a hundred tasks of thirty combining marks on each letter': hundredTasks(THIRTY_MARKS),
  'a hundred tasks of combining marks in the right order': hundredTasks(`a${'\u0323'.repeat(15)}${'\u0300'.repeat(15)}`),
  'lists of tasks with unknown members': whereItFits(`{"tasks":${list(9, object(999, '0'))}}`),
  'lists of requests with unknown members': whereItFits(`{"requests":${list(9, object(999, '0'))}}`),
  'requests with long paths': (bytes) => `{"requests":[${fill(bytes - 60, '%41', '{"id":"a","method":"GET","path":"/api/', '"}')}]}`,
  'a list of empty objects': whole('{},', '[', '{}]'),
  'an escape, then numbers': whole('0,', '["\\u0041",', '0]'),
  'opening brackets': whole('['),
  'opening objects': whole('{"a":'),
  'nested as deep as allowed, again and again': whole(`${'['.repeat(30)}${']'.repeat(30)},`, '[', '0]'),
  'closing brackets': whole(']'),
  commas: whole(','),
  colons: whole(':'),
  quotes: whole('"'),
  'a text without an end': whole('x', '"'),
  'a text of escaped quotes without an end': whole('\\"', '"'),
  'blanks around nothing': whole(' '),
  'names that reach a prototype, as texts': whole('"__proto__","constructor",', '["\\u0041",', '0]'),
  'objects with a constructor': whole('{"constructor":0},', '[', '0]'),
  'byte order marks': whole('\ufeff'),
  'NUL bytes': (bytes) => Buffer.alloc(bytes),
  'bytes that are no UTF-8, at the end': (bytes) => Buffer.concat([Buffer.from(fill(bytes - 1, 'é')), Buffer.from([0xff])]),
}; // prettier-ignore

/** Below the limit of Node: 16 KiB for all headers. */
const HEADER_BYTES = 14_000;
const field = (unit: string, before = '', after = '') => fill(HEADER_BYTES, unit, before, after);
const base64url = (value: string) => Buffer.from(value).toString('base64url');

/** Headers that a route may read; a list becomes one field per item. */
export const HEADER_SHAPES: Readonly<Record<string, Record<string, string | string[]>>> = {
  'a bearer token of dots': { authorization: field('.', 'Bearer ') },
  'a bearer token of blanks': { authorization: field(' ', 'Bearer', 'x') },
  'a bearer token with a character that it may not have at its end': { authorization: field('a', 'Bearer ', '!') },
  'a bearer token whose header is nested': {
    authorization: `Bearer ${base64url('['.repeat(4_000))}.${base64url('['.repeat(4_000))}.a`,
  },
  'cookies without values': { cookie: field('=;') },
  'many cookies': { cookie: field('a=b; ', '', 'refresh_token=x') },
  'a cookie of percent signs': { cookie: field('%41', 'refresh_token=') },
  'a cookie of broken percent signs': { cookie: field('%', 'device=') },
  'a cookie of quotes': { cookie: field('"', 'refresh_token=') },
  'If-Match with many tags': { 'if-match': field('"1",', '', '"1"') },
  'If-Match of commas': { 'if-match': field(',') },
  'If-Match without a closing quote': { 'if-match': field('!', '"') },
  'If-None-Match with many weak tags': { 'if-none-match': field('W/"1",', '', '"1"') },
  'If-None-Match of blanks': { 'if-none-match': field(' ', '"1"', ',"1"') },
  'many ranges': { range: field('0-0,', 'bytes=', '1-1') },
  'a range of blanks': { range: field(' ', 'bytes', '=0-0') },
  'a range of digits': { range: field('9', 'bytes=0-') },
  'many media types accepted': { accept: field('text/html;q=0.1,', '', '*/*') },
  'parameters of a media type accepted': { accept: field(';a="', 'text/html') },
  'blanks between media types accepted': { accept: field(' ', 'text/html', ',*/*') },
  'many encodings accepted': { 'accept-encoding': field('gzip;q=0.001,', '', 'br') },
  'many languages accepted': { 'accept-language': field('de-DE;q=0.1,', '', 'en') },
  'many forwarded addresses': { 'x-forwarded-for': field('192.0.2.1,', '', '192.0.2.2') },
  'a forwarded address of brackets': { 'x-forwarded-for': field('[') },
  'a long request id': { 'x-request-id': field('a') },
  'a long origin': { origin: field('a.', 'https://', 'com') },
  'a long host': { host: field('a.', '', 'com') },
  'a long method override': { 'x-http-method-override': field('PATCH ') },
  'many pairs of upload metadata': { 'tus-resumable': '1.0.0', 'upload-length': '1', 'upload-metadata': field('a YQ==,', '', 'b YQ==') },
  'upload metadata of combining marks': {
    ...{ 'tus-resumable': '1.0.0', 'upload-length': '1' },
    'upload-metadata': `filename ${Buffer.from(`a${'\u0323\u0300'.repeat(2_500)}`).toString('base64')}`,
  },
  'upload metadata of blanks': { 'tus-resumable': '1.0.0', 'upload-length': '1', 'upload-metadata': field(' ', 'a', 'b') },
  'an endless upload length': { 'tus-resumable': '1.0.0', 'upload-length': field('9') },
  'parameters of the content type': { 'content-type': field(';a=b', 'application/json') },
  'blanks after the content type': { 'content-type': field(' ', 'application/json', ';x') },
  'a form boundary of quotes': { 'content-type': field('\\"', 'multipart/form-data; boundary="') },
  'parameters of a form': { 'content-type': field('; a="b"', 'multipart/form-data') },
  'the same header many times': { 'if-none-match': Array<string>(800).fill('"1"'), cookie: Array<string>(200).fill('a=b') },
  'many headers': Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`x-${at}`, '1'])),
}; // prettier-ignore

/** Texts that follow the path of a route. */
export const QUERY_SHAPES: Readonly<Record<string, string>> = {
  'ampersands': field('&', '?'),
  'the same member many times': field('limit=1&', '?', 'a=1'),
  'unknown members': `?${Array.from({ length: 2_000 }, (_, at) => `k${at}`).join('&')}`,
  'unknown members with brackets': field('a[0][b]=1&', '?', 'a=1'),
  'a search for combining marks in the wrong order': field('%CC%A3%CC%80', '?q=a'),
  'a search for pattern characters': field('%25_', '?q='),
  'a search for blanks': field('+', '?q=', 'x'),
  'a long cursor': field('A', '?cursor='),
  'a cursor that is no base64': field('%41=', '?cursor='),
  'broken percent signs': field('%', '?q='),
  'encoded NULs': field('%00', '?q='),
  'halves of surrogate pairs': field('%ED%A0%80', '?q='),
  'a limit of digits': field('9', '?limit='),
  'question marks': field('?', '?'),
  'names that reach a prototype': field('__proto__=1&constructor=1&', '?', 'a=1'),
}; // prettier-ignore

/** Paths without a route. */
export const PATH_SHAPES: Readonly<Record<string, string>> = {
  'slashes': field('/', '/api/'),
  'dots': field('./', '/api/'),
  'encoded parents': field('%2e%2e%2f', '/api/'),
  'encoded letters': field('%41', '/api/tasks/'),
  'broken percent signs': field('%', '/api/tasks/'),
  'a long identifier': field('a', '/api/tasks/'),
  'a long token of a link': field('a', '/api/links/'),
  'a long token of dots': field('.', '/api/links/'),
  'a long code of a problem': field('A', '/problems/'),
  'many parts': field('a/', '/api/v1/'),
}; // prettier-ignore
