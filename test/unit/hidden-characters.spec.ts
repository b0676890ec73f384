// Invisible and look-alike characters in every text field: line breaks, zero-width characters, compatibility variants.
// Look-alikes of other scripts (Cyrillic а) are accepted: see src/shared/libs/identity.ts.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { getMetadataStorage } from 'class-validator';
import { createValidationPipe } from '../../src/common/http/pipes/validation.pipe.js';
import { expectFileName } from '../../src/files/file-name.js';
import { AppError } from '../../src/shared/libs/app-error.js';
import { cleanEmail, isEmailAddress } from '../../src/shared/libs/text.js';

type Dto = new () => object;

const CONTROLS = ['a\u0007b', 'a\nb', 'a\r\nb', 'a\tb', 'a\u007fb', 'a\u0085b', 'a\u2028b', 'a\u2029b', 'a\u001b[31mb'];
const NOTHING = [
  ...['\u200b', '\u200d\u200c', '\u3164', '\u115f\u1160', '\uffa0', '\u2800', '\u00ad', '\ufe0f', '\u{e0100}'],
  ...['\u{e0041}', '\u2060\u200e', '\u202e', '\u{1d159}', '\u200b \u2003 \u200b', '\u034f', '\u180e'],
];
const HIDDEN = [
  ...['\u200b', '\u200d', '\u202e', '\u2066', '\u00ad', '\ufeff', '\u3164', '\ufe0f', '\u034f', '\u{e0041}'],
  ...['\u2800', '\u{1d159}', '\u{13441}', '\u{13442}', '\u{16fe4}'],
];
const BLANKS = ['  ', '\u00a0', '\u1680', '\u2003', '\u2009', '\u202f', '\u205f', '\u3000', ' \u00a0'];
/** Compatibility variants of characters: most fonts draw them like the plain characters. */
const VARIANTS = ['ｂｏｂ', 'ﬁona', 'ﬁ', 'x²', 'ª', '𝐛𝐨𝐛', 'ⅳ', 'ſam', 'ﾀﾛｳ', 'ⓑob', 'ŀa', '\u0e4d\u0e32'];
/** Ordinary names, including Thai and Lao names with the vowel AM, which NFKC decomposes. */
const PLAIN = [
  'ada',
  'ada lovelace',
  'Zoë',
  '日本',
  'ﷴ'.normalize('NFKC'),
  'น้ำ',
  'ນ້ຳ',
  'שלום',
  'क्ष',
  'ada-1815',
  'タロウ',
  'ß',
];
const SEEN = [
  '👩\u200d👩\u200d👧',
  '❤\ufe0f',
  'क\u094d\u200dष',
  'می\u200cخواهم',
  'שלום\u200f!',
  '.',
  '\u0301',
  '日本',
  '\ufffd',
];

/** These fields accept line breaks, or exactly the text that was typed. */
const MANY_LINES = ['CreateTaskDto.description', 'ChangeTaskDto.description'];
const AS_TYPED = ['password', 'currentPassword', 'newPassword'];
/** These fields identify accounts. A login accepts an address as it was stored, under the rules of that time. */
const isIdentity = ({ dto, name }: Field): boolean =>
  name === 'username' || (name === 'email' && dto.name !== 'LoginDto');

interface Field {
  dto: Dto;
  name: string;
  each: boolean;
}

/** Every text field of every DTO and job. */
async function textFields(): Promise<Field[]> {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(dto|jobs)\.ts$/.test(file),
  );
  const modules: object[] = [];
  for (const file of files) modules.push((await import(join('../../src', file.replace(/ts$/, 'js')))) as object);
  const classes = modules.flatMap((module) => Object.values(module) as unknown[]).filter(isClass);
  return classes.flatMap((dto) =>
    getMetadataStorage()
      .getTargetValidationMetadatas(dto, '', false, false)
      .filter(({ name }) => name === 'isString')
      .map(({ propertyName, each }) => ({ dto, name: propertyName, each })),
  );
}

const isClass = (member: unknown): member is Dto => typeof member === 'function' && /^class\b/.test(String(member));

const pipe = createValidationPipe();

/** Returns the rule that the field breaks with this text, or undefined. */
async function ruleOf({ dto, name, each }: Field, text: string): Promise<string | undefined> {
  const body = { [name]: each ? [text] : text };
  const refusal: unknown = await pipe.transform(body, { metatype: dto, type: 'body' }).catch((error: unknown) => error);
  return refusal instanceof AppError ? refusal.errors.find(({ field }) => field === name)?.rule : undefined;
}

const fields = (await textFields()).filter(({ name }) => !AS_TYPED.includes(name));
const nameOf = ({ dto, name }: Field): string => `${dto.name}.${name}`;
const lines = fields.filter((field) => !MANY_LINES.includes(nameOf(field)));

it('the DTOs and jobs contain the expected text fields', () => {
  const names = fields.map(nameOf);
  expect(names.length).toBeGreaterThan(25);
  for (const name of [
    'RegisterDto.name',
    'CreateTaskDto.title',
    'CreateUserDto.hobbies',
    'ChangeFileDto.name',
    ...MANY_LINES,
  ])
    expect(names).toContain(name);
});

describe.each(lines.map((field) => [nameOf(field), field] as const))('%s', (_name, field) => {
  it('accepts one line without control characters', async () => {
    const rules = ['isSingleLine', field.name === 'email' ? 'hasNoHidden' : 'matches'];
    for (const text of CONTROLS) expect(rules).toContain(await ruleOf(field, text));
  });

  it('requires a visible character', async () => {
    for (const text of NOTHING) expect([text, await ruleOf(field, text)]).not.toEqual([text, undefined]);
  });

  if (isIdentity(field)) {
    const identity = (text: string) => (field.name === 'email' ? `a${text}x@example.com` : `a${text}x`);
    const rulesOf = async (texts: string[]) => {
      const found: Array<[string, string | undefined]> = [];
      for (const text of texts.map(identity)) found.push([text, await ruleOf(field, text)]);
      return found;
    };
    const all = (texts: string[], rule: string | undefined) => texts.map((text) => [identity(text), rule]);

    it('refuses invisible characters', async () => {
      expect(await rulesOf(HIDDEN)).toEqual(all(HIDDEN, 'hasNoHidden'));
    });

    it('accepts single spaces only, and no blanks in an address', async () => {
      if (field.name === 'username') expect(await rulesOf(BLANKS)).toEqual(all(BLANKS, 'hasPlainBlanks'));
      else for (const [, rule] of await rulesOf([' ', ...BLANKS])) expect(['isEmail', 'hasNoBlanks']).toContain(rule);
      if (field.name === 'email') expect(await ruleOf(field, '"a b"@example.com')).toBe('hasNoBlanks');
    });

    it('refuses compatibility variants of plain characters', async () => {
      const outsideOfAddresses = (text: string) =>
        field.name === 'username' || /^[\0-\ud7ff\uf900-\uffff]+$/.test(text);
      const variants = VARIANTS.filter(outsideOfAddresses);
      expect(await rulesOf(variants)).toEqual(all(variants, 'isPlainForm'));
    });

    it('accepts every script', async () => {
      const plain = PLAIN.filter((text) => field.name === 'username' || !text.includes(' '));
      expect(await rulesOf(plain)).toEqual(all(plain, undefined));
    });
  } else
    it('keeps the invisible characters that visible text needs', async () => {
      for (const text of SEEN) expect(['isSingleLine', 'isVisible']).not.toContain(await ruleOf(field, text));
    });
});

it('a login accepts an address that was stored before these rules', async () => {
  const login = fields.find((field) => nameOf(field) === 'LoginDto.email') as Field;
  for (const text of ['ad\u2800a@example.com', 'ad\u3000a@example.com', 'ｂｏｂ@example.com', 'ﬁ@example.com'])
    expect([text, await ruleOf(login, text)]).toEqual([text, undefined]);
});

it.each(MANY_LINES)('%s accepts line breaks, empty text and text without visible characters', async (name) => {
  const field = fields.find((one) => nameOf(one) === name) as Field;
  for (const text of ['one\r\n\ttwo', '', '\u200b']) expect(await ruleOf(field, text)).toBeUndefined();
});

describe('a file name', () => {
  it.each(NOTHING)('is refused: %j', (name) => {
    expect(() => expectFileName('filename', name)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }));
  });

  it.each([...SEEN, '\u200b.pdf', 'مل\u200cف.txt'])('is accepted: %j', (name) => {
    if (name !== '.') expectFileName('filename', name);
  });
});

describe('the domain of an e-mail address', () => {
  it.each([
    ['ada@müller.de', 'ada@xn--mller-kva.de'],
    ['Ada@MÜLLER.DE', 'ada@xn--mller-kva.de'],
    ['ada@mu\u0308ller.de', 'ada@xn--mller-kva.de'],
    ['ada@XN--MLLER-KVA.de', 'ada@xn--mller-kva.de'],
    ['ada@例え。jp', 'ada@xn--r8jz45g.jp'],
    ['ada@ｅｘａｍｐｌｅ.com', 'ada@example.com'],
    ['ada@ﬁrma.de', 'ada@firma.de'],
    ['J\u030c@example.com', '\u01f0@example.com'],
    ['\u01f0@example.com', '\u01f0@example.com'],
    ['rené@example.com', 'rené@example.com'],
  ])('of %s becomes ASCII: %s', (raw, address) => {
    expect(cleanEmail(raw)).toBe(address);
    expect(isEmailAddress(address)).toBe(true);
    expect(cleanEmail(address)).toBe(address);
  });

  it.each([
    'ada@xn--a.de',
    'ada@xn--0.pt',
    `ada@${'ü'.repeat(64)}.de`,
    'ada@ü..de',
    'ada@ü.',
    'ada@.ü.de',
    'ada@127.0.0.1',
    'ada@1.2.3',
    'ada@ü%41.de',
    'ada@ü/x.de',
    'ada@ü:1.de',
    'ada@müller',
    'müller.de',
    'a@b@müller.de',
  ])('%s is refused', (raw) => {
    expect(isEmailAddress(cleanEmail(raw))).toBe(false);
  });
});
