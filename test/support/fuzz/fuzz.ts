// Nearly valid requests: a route of the document with one or more damaged parts.
import { exampleOf, type Operation, type Schema } from '../http/openapi.js';
import { below, pick, type Random } from './random.js';
import type { RawRequest } from '../http/raw-http.js';

/** JSON texts, so that they include numbers beyond the range of JavaScript. */
const VALUES: readonly string[] = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '-0',
    '-1',
    '1.5',
    '5',
    '1e308',
    '1e400',
    '9007199254740993',
    '9223372036854775808',
  ],
  ...[
    '-9223372036854775809',
    '18446744073709551616',
    '""',
    '" "',
    '"007"',
    '" 42 "',
    '"null"',
    '"true"',
    '"NaN"',
    '"now"',
  ],
  ...['"infinity"', '"epoch"', '"2030-01-31T09:00:00.000Z"', '"2030-02-31T00:00:00Z"', '"0000-00-00T00:00:00Z"'],
  ...[
    '"2030-01-31T09:00:00.123456789+23:59"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udc00x"',
    '"\\ufffd"',
    '"\\u202e"',
  ],
  ...[
    '"😀"',
    '"ﷺ"',
    '"Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢"',
    '"\'; DROP TABLE users; --"',
    '"%"',
    '"_"',
    '"\\\\"',
    '"$1"',
    '":id"',
    '"<script>"',
    '"../../etc/passwd"',
  ],
  ...[
    '"ADMIN"',
    '"DONE"',
    '"a@b.de"',
    '"A@B@C"',
    '"__proto__"',
    '"constructor"',
    '[]',
    '[[]]',
    '[null]',
    '["x"]',
    '["\\u0000"]',
  ],
  ...[
    '[{}]',
    '[1,2,3]',
    '{}',
    '{"a":{"b":[]}}',
    '{"$ne":null}',
    '{"length":5}',
    '{"then":1}',
    '{"toString":1}',
    '{"toJSON":1}',
  ],
  `"${'x'.repeat(201)}"`,
  `"${'é'.repeat(10_001)}"`,
  `"${'x'.repeat(70_000)}"`,
  `[${'"x",'.repeat(1_000)}"x"]`,
  `[${'{},'.repeat(1_000)}{}]`,
  `${'['.repeat(31)}${']'.repeat(31)}`,
  `${'['.repeat(40)}${']'.repeat(40)}`,
];
const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'id',
  'uuid',
  'ownerId',
  'role',
  'version',
  'deletedAt',
  '',
  ' ',
  'a\u0000',
  '0',
  'length',
];
const TYPES = [
  'application/json',
  'application/json; charset=utf-16',
  'text/plain',
  'multipart/form-data',
  'application/json-patch+json',
  '/',
  ';',
];
const IDS = [
  '007',
  '%2042%20',
  '%00',
  '-1',
  'null',
  '__proto__',
  '%F0%9F%98%80',
  '%ED%A0%80',
  '%',
  '%2e%2e',
  'x'.repeat(200),
  'bulk',
  'restore',
  '%2F',
  '.',
  ';',
  '*',
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'LOCK'];
const HEADERS: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['if-match', ['"1"', '*', 'W/"1"', '1', '""', '"1', '"99999999999999999999"', '\xff', ','.repeat(1_000), '"1",'.repeat(500)]],
  ['if-none-match', ['"1"', '*', 'W/"1"', '', '"', ','.repeat(1_000)]],
  ['authorization', ['', 'Bearer', 'Bearer x', 'Bearer a.b.c', 'Basic eA==', `Bearer ${'x'.repeat(3_000)}`, 'Bearer \xff', 'bearer null']],
  ['cookie', ['refresh_token=x', 'refresh_token=', '=;=;', `refresh_token=${'x'.repeat(2_000)}`, 'refresh_token=%E0%A4%A', 'a=b; a=c', '__proto__=x']],
  ['x-request-id', ['', 'a b', 'x'.repeat(65), '{"a":1}', '\xff', '..', '%0d%0a']],
  ['x-forwarded-for', ['1.2.3.4', 'x', '::1, 127.0.0.1', ','.repeat(500)]],
  ['x-http-method-override', ['DELETE']],
  ['content-encoding', ['gzip', 'identity', 'br', 'x']],
  ['accept', ['image/png', '', '*/*;q=x', 'application/xml']],
  ['accept-encoding', ['gzip', 'identity;q=0', 'x']],
  ['range', ['bytes=0-0', 'bytes=-1', 'x']],
  ['origin', ['null', 'https://evil.example.com', '']],
  ['sec-fetch-site', ['cross-site', '']],
  ['user-agent', ['', 'x'.repeat(2_000), '\xff', '%00']],
  ['host', ['', 'evil.example.com', 'a b', '[', '../']],
  ['transfer-encoding', ['chunked']],
]; // prettier-ignore

/** `ids`: ids of existing rows. */
export function damageRequest(random: Random, operation: Operation, ids: readonly string[]): RawRequest {
  const chance = (percent: number): boolean => below(random, 100) < percent;
  const value = (): string => pick(random, VALUES);
  const headers: Record<string, string> = {};
  const path = operation.path.replace(/\{\w+\}/g, () => (chance(60) ? pick(random, ids) : pick(random, IDS)));
  const query = operation.parameters.filter((parameter) => parameter.in === 'query' && chance(40));
  const pairs = query.map(({ name, schema }) => [name, chance(50) ? String(exampleOf(schema)) : textOf(value())]);
  if (chance(10)) pairs.push([pick(random, KEYS), textOf(value())]);
  if (chance(10) && pairs[0]) pairs.push(pairs[0]);
  for (const [name, values] of HEADERS) if (chance(4)) headers[name] = pick(random, values);
  for (const { name } of operation.parameters) {
    const known = HEADERS.find(([header]) => header === name.toLowerCase());
    if (known && chance(30)) headers[known[0]] = pick(random, known[1]);
  }
  const method = chance(75) ? operation.method : pick(random, METHODS);
  const hasBody = operation.body ? chance(95) : chance(15);
  if (hasBody) headers['content-type'] = chance(92) ? 'application/json' : pick(random, TYPES);
  return {
    method,
    path: pairs.length > 0 ? `${path}?${pairs.map((pair) => pair.map(encode).join('=')).join('&')}` : path,
    headers,
    ...(hasBody && { body: damagedBody(random, operation.body ?? {}) }),
  };
}

function damagedBody(random: Random, schema: Schema): string | Uint8Array {
  const members = Object.entries(exampleOf(schema) ?? {}).map(([key, member]) => [key, JSON.stringify(member)]);
  const chance = (percent: number): boolean => below(random, 100) < percent;
  if (chance(8)) return pick(random, VALUES);
  for (const member of members) if (chance(25)) member[1] = pick(random, VALUES);
  if (chance(15)) members.push([pick(random, KEYS), pick(random, VALUES)]);
  if (chance(15)) members.splice(below(random, members.length), 1);
  const text = `{${members.map(([key = '', member]) => `${JSON.stringify(key)}:${member}`).join(',')}}`;
  if (chance(5)) return text.slice(0, below(random, text.length));
  if (chance(5)) {
    const bytes = Buffer.from(text);
    bytes[below(random, bytes.length)] = below(random, 256);
    return bytes;
  }
  return text;
}

/** Returns the query text for a JSON text. */
function textOf(json: string): string {
  return json.startsWith('"') ? (JSON.parse(json) as string) : json;
}

/** Encodes half surrogate pairs as the bytes that a broken client sends. */
function encode(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text.slice(0, 300)) : '%ED%A0%80';
}
