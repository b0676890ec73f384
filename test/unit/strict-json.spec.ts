// The strict JSON parser: the accepted texts, and the refused ones with their messages.
import { describe, expect, it } from '@jest/globals';
import { parseStrictJson, StrictJsonError } from '../../src/shared/libs/strict-json.js';

const parse = (text: string) => parseStrictJson(Buffer.from(text));

function refusalOf(input: string | Buffer): string {
  try {
    parseStrictJson(Buffer.from(input as string));
  } catch (error) {
    expect(error).toBeInstanceOf(StrictJsonError);
    return (error as Error).message;
  }
  throw new Error(`Accepted: ${input.toString()}`);
}

describe('strict JSON accepts', () => {
  it.each(['null', 'true', '-0.5e3', '"text"', '[]', ' {"a": [1, {"b": null}]}\r\n\t'])('%s', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it('an empty body, as undefined', () => {
    expect(parse('')).toBeUndefined();
  });

  it('every character of Unicode, raw and escaped', () => {
    expect(parse('"naïve 日本 😀 \\u00e9 \\ud83d\\ude00 \\u0001"')).toBe('naïve 日本 😀 é 😀 \u0001');
  });

  it('an escaped backslash before a text that looks like an escape', () => {
    expect(parse('"\\\\u0000 \\\\ud83d"')).toBe('\\u0000 \\ud83d');
  });

  it('member names that only resemble a prototype member', () => {
    const text = '{"constructor": "joiner", "prototype": {"a": 1}, "proto": 1, "__proto": 2, "note": "__proto__"}';
    expect(parse(text)).toEqual(JSON.parse(text));
  });
});

describe('strict JSON refuses bytes that are not UTF-8', () => {
  it.each([
    ['an invalid byte', [0x22, 0xff, 0x22]],
    ['a truncated character', [0x22, 0xe2, 0x82, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0x80, 0x22]],
    ['half of a surrogate pair', [0x22, 0xed, 0xa0, 0xbd, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
  ])('%s', (_what, bytes) => {
    expect(refusalOf(Buffer.from(bytes))).toBe('The body is not UTF-8.');
  });
});

it.each(['{', '{"a":1,}', "{'a':1}", '{"a":1} x', 'NaN', '01', '"\n"', '"\0"', '"\\x41"', '[1', 'undefined', ' '])(
  'strict JSON refuses the text %j',
  (text) => {
    expect(refusalOf(text)).toBe('The body is not valid JSON.');
  },
);

describe('strict JSON refuses deep nesting', () => {
  const nested = (depth: number, inner = '1') => '['.repeat(depth) + inner + ']'.repeat(depth);
  const DEEP = 'The JSON is nested deeper than 32 levels.';

  it('of more than 32 levels of arrays, objects or both', () => {
    expect(parse(nested(32))).toBeDefined();
    expect(refusalOf(nested(33))).toBe(DEEP);
    expect(parse(`${'{"a":'.repeat(32)}1${'}'.repeat(32)}`)).toBeDefined();
    expect(refusalOf(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`)).toBe(DEEP);
    expect(refusalOf(`${'[{"a":'.repeat(17)}1${'}]'.repeat(17)}`)).toBe(DEEP);
  });

  it('before a recursive parser sees it', () => {
    expect(refusalOf('['.repeat(1_000_000))).toBe(DEEP);
  });

  it('but does not count brackets within text, with any escapes', () => {
    const text = JSON.stringify({ a: `\\"${'[{'.repeat(50)}\\`, b: [['"', '[']] });
    expect(parse(text)).toEqual(JSON.parse(text));
    expect(refusalOf(`["\\\\", ${nested(32)}]`)).toBe(DEEP);
  });

  it('but does not add up siblings', () => {
    expect(parse(`[${Array<string>(100).fill(nested(31)).join()}]`)).toHaveLength(100);
  });
});

describe('strict JSON refuses large input', () => {
  const list = (count: number, item = '0') => `[${Array<string>(count).fill(item).join(' , ')}]`;
  const object = (count: number) => `{${Array.from({ length: count }, (_, at) => `"${at}": 0`).join(',')}}`;
  const WIDE = 'The JSON holds an object or array of more than 1000 members.';
  const MANY = 'The JSON holds more than 10000 values.';

  it('of more than 1000 members in one object or array', () => {
    for (const make of [list, object]) {
      expect(parse(make(1_000))).toEqual(JSON.parse(make(1_000)));
      expect(refusalOf(make(1_001))).toBe(WIDE);
      expect(refusalOf(`{"a": [${make(1_001)}]}`)).toBe(WIDE);
    }
    expect(refusalOf(`{"same": 0${', "same": 0'.repeat(1_000)}}`)).toBe(WIDE);
  });

  it('of more than 10000 values in total', () => {
    expect(parse(list(10, list(999)))).toHaveLength(10);
    expect(refusalOf(list(10, list(1_000)))).toBe(MANY); // each list counts as a value too
    expect(refusalOf(list(1_000, list(10, '{}')))).toBe(MANY);
  });

  it('with keys of more than 256 characters; other text may be longer', () => {
    const key = (length: number, space = '') => `{"${'x'.repeat(length)}"${space}: "${'x'.repeat(1_000)}"}`;
    expect(parse(key(256, ' \n'))).toEqual(JSON.parse(key(256)));
    expect(refusalOf(key(257, ' \n'))).toBe('The JSON holds a key longer than 256 characters.');
    expect(refusalOf(`[${key(257)}]`)).toBe('The JSON holds a key longer than 256 characters.');
  });

  it('but does not count commas and colons within text', () => {
    const text = JSON.stringify([`${'",'.repeat(20_000)}`, `${'":'.repeat(200)}`]);
    expect(parse(text)).toEqual(JSON.parse(text));
  });
});

it.each([
  '{"__proto__": {"admin": true}}',
  '{"\\u005f\\u005fproto\\u005f_": {"admin": true}}',
  '[{"a": {"__proto__": null}}]',
  '{"constructor": {"prototype": {"admin": true}}}',
  '{"\\u0063onstructor": {"prototype": 1}}',
])('strict JSON refuses prototype pollution: %s', (text) => {
  expect(refusalOf(text)).toBe('The JSON holds a key that reaches a prototype (__proto__, constructor.prototype).');
});

it.each([
  '"a\\u0000"',
  '"\\ud83d"',
  '"\\ude00\\ud83d"',
  '["x", {"a": ["\\u0000"]}]',
  '{"\\udfff": 1}',
  '{"a\\u0000b": 1}',
])('strict JSON refuses text that PostgreSQL cannot store: %s', (text) => {
  expect(refusalOf(text)).toMatch(/^The JSON holds a NUL character .* or half of a surrogate pair/);
});
