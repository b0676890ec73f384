// A user import: files and rows are accepted or refused by the same rules as POST /api/users.
import { describe, expect, it } from '@jest/globals';
import { createValidationPipe } from '../../src/common/http/pipes/validation.pipe.js';
import { CreateUserDto } from '../../src/users/dto/user.dto.js';
import { joinHobbies } from '../../src/shared/libs/csv/csv-cells.js';
import type { CsvEncoding } from '../../src/shared/libs/csv/csv-decoder.js';
import { ImportFile, MAX_ROWS } from '../../src/users/import/import-file.js';
import { checkRow, type CheckedRow, type ImportedUser, REASONS, rowUuid } from '../../src/users/import/import-row.js';
import { UserErrors } from '../../src/users/users.errors.js';
import { below, pick, seeded } from '../support/fuzz/random.js';

const JOB = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';

function read(content: string | Uint8Array, size = 65_536, encoding?: CsvEncoding): CheckedRow[] {
  const bytes = Buffer.from(content);
  const file = new ImportFile(encoding);
  const rows: CheckedRow[] = [];
  const take = (piece: Uint8Array | null): void => {
    for (const record of file.read(piece)) rows.push(checkRow(JOB, file.columns, record));
  };
  for (let at = 0; at < bytes.length; at += size) take(bytes.subarray(at, at + size));
  take(null);
  return rows;
}
const readOne = (content: string): CheckedRow => read(content)[0] as CheckedRow;
const reasonsOf = (content: string): string[] =>
  read(content).flatMap((row) =>
    Array.isArray(row) ? row.map((one) => `${one.row} ${one.column} ${one.reason}`) : [],
  );

describe('the header of the import file is accepted', () => {
  it.each([
    ['in any order and case', 'AGE, Email ,USERNAME\n36,ada@example.com,ada\n'],
    ['with a byte order mark', '\ufeffage,email,username\n36,ada@example.com,ada\n'],
    ['with semicolons', 'age;email;username\n36;ada@example.com;ada\n'],
    ['after empty lines, quoted', '\r\n\n"age","email","username"\r\n36,ada@example.com,ada'],
    ['with tabs', 'age\temail\tusername\n36\tada@example.com\tada\n'],
    ['with |', 'age|email|username\n36|ada@example.com|ada\n'],
    ['with the sep= line of Excel', '\ufeffsep=;\r\nage;email;username\r\n36;ada@example.com;ada\r\n'],
    ['with a quoted sep= line for tabs', '"sep=\t"\nage\temail\tusername\n36\tada@example.com\tada\n'],
    ['in another spelling', ' Age ;"E-Mail";USER_NAME\n36;ada@example.com;ada\n'],
    ['with invisible characters', 'age,\u200be\u2011mail\u00a0,user\u00adname\n36,ada@example.com,ada\n'],
    ['with blanks before quotes', '"age", "email", "username"\n36, "ada@example.com", "ada"\n'],
    ['with empty columns at the end', 'age;email;username;;\n36;ada@example.com;ada;;\n'],
    ['after rows of empty cells', ';;\r\n"";"";""\r\nage;email;username\r\n36;ada@example.com;ada\r\n'],
    ['with line breaks of classic Mac OS', 'age,email,username\r36,ada@example.com,ada\r'],
    ['before an end-of-file character of DOS', 'age,email,username\r\n36,ada@example.com,ada\r\n\x1a'],
    [
      'before end-of-file characters directly after the last cell',
      'age,email,username\r\n36,ada@example.com,ada\x1a\x1a',
    ],
    ['between rows of separators alone', 'age;email;username\n;;\n36;ada@example.com;ada\n;;\n;;\n ; ;\n""\n'],
    ['of an export', 'id,age,email,username,role,createdAt,updatedAt\n1,36,ada@example.com,ada,ADMIN,x,y\n'],
  ])('%s', (_how, content) => {
    const user = { email: 'ada@example.com', username: 'ada', name: null, age: 36, hobbies: [] };
    for (const size of [1, 3, 1_000]) expect(read(content, size)).toEqual([{ ...user, uuid: rowUuid(JOB, 1) }]);
  });

  it.each([
    ['no bytes', ''],
    ['only line breaks', '\r\n\r\n'],
    ['an unknown column', 'email,password\n'],
    ['a column without a name', 'email,,name\n'],
    ['a sep= line with a letter', 'sep=x\nemailxname\n'],
    ['a sep= line alone', 'sep=;\n'],
    ['a column twice in two spellings', 'email,E-Mail\n'],
    ['a column with a known prefix', 'email2,username\n'],
    ['a column twice', 'email,Email\n'],
    ['no column that identifies a user', 'name,age\n'],
    ['a broken quote', '"email,name\n'],
    ['no header', 'ada@example.com,ada\n'],
    ['a line that never ends', 'email,'.repeat(20_000)],
    ['NUL bytes', '\0\0\0\0\n\0'],
  ])('an import file with %s is refused', (_what, content) => {
    expect(() => read(content)).toThrow(expect.objectContaining({ code: UserErrors.IMPORT_HEADER.code }));
  });
});

describe('the import file', () => {
  it.each([
    ['Latin-1', Buffer.from('email,name\na@example.com,Zo\xeb\n', 'latin1')],
    ['a truncated character', Buffer.from('email,name\na@example.com,é').subarray(0, -1)],
    ['a surrogate', Buffer.from([...Buffer.from('email\n'), 0xed, 0xa0, 0x80])],
  ])('is refused when it contains %s', (_what, bytes) => {
    for (const size of [1, 1_000])
      expect(() => read(bytes, size)).toThrow(expect.objectContaining({ code: UserErrors.IMPORT_NOT_UTF8.code }));
  });

  it('is refused when it is not UTF-8, with a cure', () => {
    expect(() => read(Buffer.from('email,name\na@example.com,Zo\xeb\n', 'latin1'))).toThrow(
      'The file is not UTF-8: save it as "CSV UTF-8", or send "encoding": "windows-1252" with the job.',
    );
  });

  const inUtf16be = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
  const ZOE = 'email;name\r\nzoe@example.com;Zoë €\r\n';
  it.each<[string, Uint8Array, CsvEncoding | undefined]>([
    ['UTF-16 little endian by its byte order mark', Buffer.from(`\ufeff${ZOE}`, 'utf16le'), undefined],
    ['UTF-16 big endian by its byte order mark', inUtf16be(ZOE), undefined],
    ['UTF-16 without a mark, as declared', Buffer.from(ZOE, 'utf16le'), 'utf-16le'],
    ['windows-1252', Buffer.from(ZOE.replace('€', '\x80'), 'latin1'), 'windows-1252'],
    ['latin1, which is read as windows-1252', Buffer.from(ZOE.replace('€', '\x80'), 'latin1'), 'latin1'],
    ['UTF-8 by its byte order mark, against the declaration', Buffer.from(`\ufeff${ZOE}`), 'windows-1252'],
    ['UTF-8, as declared', Buffer.from(ZOE), 'utf-8'],
  ])('is read in %s', (_what, bytes, encoding) => {
    for (const size of [1, 2, 5, 1_000])
      expect(read(bytes, size, encoding)).toEqual([
        { uuid: rowUuid(JOB, 1), email: 'zoe@example.com', username: null, name: 'Zoë €', age: null, hobbies: [] },
      ]);
  });

  it.each<[string, Uint8Array, CsvEncoding | undefined]>([
    ['half a surrogate pair in UTF-16', Buffer.from('\ufeffemail\n\ud800x', 'utf16le'), undefined],
    ['half a unit at the end of UTF-16', Buffer.from('\ufeffemail\n', 'utf16le').subarray(0, -1), undefined],
    ['another encoding than declared', Buffer.from('email\n\x00', 'latin1'), 'utf-16be'],
  ])('is refused when it is %s', (_what, bytes, encoding) => {
    expect(() => read(bytes, 1_000, encoding)).toThrow(
      expect.objectContaining({ code: UserErrors.IMPORT_ENCODING.code }),
    );
  });

  it('decodes characters that are split between chunks', () => {
    expect((read('email,name\na@example.com,Ωé😀\n', 1)[0] as ImportedUser).name).toBe('Ωé😀');
  });

  it(`accepts ${MAX_ROWS} rows and refuses one more; empty lines do not count`, () => {
    const rows = 'x@example.com\n\n'.repeat(MAX_ROWS);
    const file = new ImportFile();
    let seen = 0;
    for (const { row } of file.read(Buffer.from(`email\n${rows}`))) seen = row;
    expect(seen).toBe(MAX_ROWS);
    expect(() => [...file.read(Buffer.from('y@example.com\n'))]).toThrow(
      expect.objectContaining({ code: UserErrors.IMPORT_TOO_LONG.code }),
    );
  });
});

describe('an import row', () => {
  it('is trimmed, in normal form C, with the e-mail in lower case and without the apostrophes of an export', () => {
    expect(
      readOne("email,username,name,age,hobbies\n\" Ada@Example.COM \",' ada ,'=Zoe\u0308 ,07,'@home; go \n"),
    ).toEqual([{ row: 1, column: 'age', reason: 'NOT_AN_AGE' }]);
    expect(readOne("email,username,name,age,hobbies\n Ada@Example.COM , ada ,'=Zoe\u0308 , 7 ,'@home; go \n")).toEqual({
      uuid: rowUuid(JOB, 1),
      email: 'ada@example.com',
      username: 'ada',
      name: '=Zoë',
      age: 7,
      hobbies: ['@home', 'go'],
    });
  });

  it('is refused with all its faults, without sorting ten thousand combining marks', () => {
    const flood = `a${'\u0323\u0300'.repeat(6_000)}`;
    const rows = [
      ',,Nobody,,',
      'not-an-email,,,,',
      `a@example.com,${'u'.repeat(51)},${'n'.repeat(101)},151,${'h'.repeat(101)}`,
      `a@example.com,,,-1,${'h;'.repeat(50)}h`,
      'a@example.com,,,1.5,a;;b',
      'a@example.com,a\0b,,x,',
      'a@example.com,,,,,x',
      'a@example.com,,,,,, ,x',
      'a@example.com,"b"c,,,',
      `a@example.com,${'x'.repeat(70_000)},,,`,
      `${flood}@example.com,${flood},${flood},${flood},${flood}`,
      `a@example.com,a${'\u0323'.repeat(31)},,,a${'\u0323'.repeat(31)}`,
    ];
    expect(reasonsOf(`email,username,name,age,hobbies\n${rows.join('\n')}\n`)).toEqual([
      '1  NAMELESS',
      '2 email NOT_AN_EMAIL',
      '3 username TOO_LONG',
      '3 name TOO_LONG',
      '3 age NOT_AN_AGE',
      '3 hobbies TOO_LONG',
      '4 age NOT_AN_AGE',
      '4 hobbies TOO_MANY',
      '5 age NOT_AN_AGE',
      '5 hobbies EMPTY',
      '6 username NOT_TEXT',
      '6 age NOT_AN_AGE',
      '7  COLUMN_COUNT',
      '8  COLUMN_COUNT',
      '9  MALFORMED',
      '10  RECORD_TOO_LONG',
      '11 email TOO_LONG',
      '11 username TOO_LONG',
      '11 name TOO_LONG',
      '11 age NOT_AN_AGE',
      '11 hobbies TOO_LONG',
      '12 username TOO_MANY_MARKS',
      '12 hobbies TOO_MANY_MARKS',
    ]);
  });

  it('may lack cells at its end, or have extra empty cells', () => {
    const ada = {
      uuid: rowUuid(JOB, 1),
      email: 'ada@example.com',
      username: 'ada',
      name: null,
      age: null,
      hobbies: [],
    };
    for (const more of ['', ';', ';;;;;', ';;; ;""'])
      expect(read(`email;username;name;age\nada@example.com;ada${more}\n`)).toEqual([ada]);
    expect(reasonsOf('name;email\nAda\n')).toEqual(['1  NAMELESS']);
  });

  it('with an e-mail address of invisible characters is refused, with the column and the reason', () => {
    expect(reasonsOf('email,name\n\u200bada@example.com,Ada\nb\u00adob@example.com,Bob\n')).toEqual([
      '1 email HIDDEN',
      '2 email HIDDEN',
    ]);
  });

  it('with a look-alike of another identity is refused, with the column and the reason', () => {
    const rows = [
      'ad\u3000a@example.com,',
      ',a  b',
      ',a\u00a0b',
      'ﬁ@example.com,',
      ',ｂｏｂ',
      ',b\u2800ob',
      '"""a b""@example.com",',
    ];
    expect(reasonsOf(`email,username\n${rows.join('\n')}\n`)).toEqual([
      '1 email BLANKS',
      '2 username BLANKS',
      '3 username BLANKS',
      '4 email VARIANTS',
      '5 username VARIANTS',
      '6 username HIDDEN',
      '7 email BLANKS',
    ]);
  });

  it('of separators alone is skipped: neither counted nor rejected', () => {
    const rows = read('email;name;age\n;;\nada@example.com;Ada;30\n;;\n  ;;\n"";;""\nbob@example.com;Bob;31\n;;\n;;');
    expect(rows).toMatchObject([{ email: 'ada@example.com' }, { email: 'bob@example.com' }]);
    expect((rows[1] as ImportedUser).uuid).toBe(rowUuid(JOB, 2));
  });

  it('is accepted or refused exactly as POST /api/users does', async () => {
    const random = seeded(3);
    const pipe = createValidationPipe();
    const parts = [
      'a',
      'Z',
      'é',
      'e\u0301',
      '😀',
      '\ufe0f',
      ' ',
      '\u00a0',
      '\u200d',
      '\u3164',
      '\u202e',
      '\u2800',
      '\u3000',
      '  ',
      'ﬁ',
      'ｂ',
      'ำ',
      '\u0007',
      'ü',
      '\0',
      '@',
      'example.com',
      '.',
      '-',
      '_',
      "'",
    ];
    const some = (max: number): string =>
      Array.from({ length: below(random, max) }, () => pick(random, parts)).join('');
    const textOf = (): string =>
      pick(random, [
        () => '',
        () => 'ada',
        () => some(5),
        () => pick(random, parts).repeat(pick(random, [49, 50, 51, 99, 100, 101, 254])),
      ])();
    const emailOf = (): string =>
      pick(random, [
        () => textOf(),
        () => 'ada@Example.com',
        () => `${some(3)}x@Example.com`,
        () => `x@${some(3)}.ü.com`,
        () =>
          `${'a'.repeat(50)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${pick(random, ['com', `${'e'.repeat(17)}.com`, `${'e'.repeat(19)}.com`])}`,
      ])();
    const ages = ['', '0', '36', '150', '151', '-1', '1.5', 'x', '1e2'];
    let [taken, refused] = [0, 0];
    for (let run = 0; run < 2_000; run++) {
      const [email, username, name, age] = [emailOf(), textOf(), textOf(), pick(random, ages)];
      const hobbies = Array.from({ length: pick(random, [0, 1, 2, 50, 51]) }, () => some(4) || 'h').filter(
        (one) => !one.startsWith("'"),
      );
      if (hobbies.length === 1 && hobbies[0]?.trim() === '') hobbies.pop(); // an empty cell means no hobbies
      if ([email, username, name].some((text) => text.startsWith("'"))) continue; // may be an apostrophe that the export added
      const cells = [email, username, name, age, joinHobbies(hobbies)];
      const row = checkRow(JOB, ['email', 'username', 'name', 'age', 'hobbies'], { row: 1, record: cells });
      const orNull = (text: string): string | null => (text.trim() === '' ? null : text);
      const [mail, user, full] = [email, username, name].map(orNull);
      const body = {
        email: mail,
        username: user,
        name: full,
        age: age === '' ? null : /^-?[\d.]+$/.test(age) ? Number(age) : age,
        hobbies,
      };
      const dto = await pipe
        .transform(body, { type: 'body', metatype: CreateUserDto })
        .then(({ ...values }: CreateUserDto) => ((values.email ?? values.username) ? values : null))
        .catch(() => null);
      expect([body, Array.isArray(row) ? null : row]).toEqual([body, dto && { ...dto, uuid: rowUuid(JOB, 1) }]);
      if (dto) taken++;
      else refused++;
    }
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });

  it('always has the same unique UUID, with the time of its job', () => {
    const uuids = Array.from({ length: 1_000 }, (_, row) => rowUuid(JOB, row));
    expect(new Set(uuids).size).toBe(1_000);
    expect(uuids.map((_, row) => rowUuid(JOB, row))).toEqual(uuids);
    expect(rowUuid('01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a12', 1)).not.toBe(uuids[1]);
    for (const uuid of uuids) expect(uuid).toMatch(/^01990a5e-7e1c-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is refused with a message of this application', () => {
    for (const message of Object.values(REASONS)) expect(message).toMatch(/^[A-Z][ -~]+\.$/);
  });
});
