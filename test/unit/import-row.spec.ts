// The file of an import and its rows: refused as a whole, row by row, or taken by the same rules as POST /api/users.
import { describe, expect, it } from '@jest/globals';
import { createValidationPipe } from '../../src/common/pipes/validation.pipe.js';
import { CreateUserDto } from '../../src/users/dto/user.dto.js';
import { joinHobbies } from '../../src/users/handlers/csv-cells.js';
import { ImportFile, MOST_ROWS } from '../../src/users/handlers/import-file.js';
import { checkRow, type CheckedRow, type ImportedUser, REASONS, rowUuid } from '../../src/users/handlers/import-row.js';
import { UserErrors } from '../../src/users/users.errors.js';
import { below, pick, seeded } from '../support/random.js';

const JOB = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';

function read(content: string | Uint8Array, size = 65_536): CheckedRow[] {
  const bytes = Buffer.from(content);
  const file = new ImportFile();
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

describe('the header', () => {
  it.each([
    ['in any order and case', 'AGE, Email ,USERNAME\n36,ada@example.com,ada\n'],
    ['with a byte order mark', '\ufeffage,email,username\n36,ada@example.com,ada\n'],
    ['with semicolons', 'age;email;username\n36;ada@example.com;ada\n'],
    ['after empty lines, quoted', '\r\n\n"age","email","username"\r\n36,ada@example.com,ada'],
    ['of an export', 'id,age,email,username,role,createdAt,updatedAt\n1,36,ada@example.com,ada,ADMIN,x,y\n'],
  ])('%s', (_how, content) => {
    const user = { email: 'ada@example.com', username: 'ada', name: null, age: 36, hobbies: [] };
    for (const size of [1, 3, 1_000]) expect(read(content, size)).toEqual([{ ...user, uuid: rowUuid(JOB, 1) }]);
  });

  it.each([
    ['no bytes', ''],
    ['only line breaks', '\r\n\r\n'],
    ['an unknown column', 'email,password\n'],
    ['a column without a name', 'email,\n'],
    ['a column twice', 'email,Email\n'],
    ['no name for anybody', 'name,age\n'],
    ['a broken quote', '"email,name\n'],
    ['no header', 'ada@example.com,ada\n'],
    ['a line without end', 'email,'.repeat(20_000)],
    ['NUL bytes', '\0\0\0\0\n\0'],
  ])('refuses %s', (_what, content) => {
    expect(() => read(content)).toThrow(expect.objectContaining({ code: UserErrors.IMPORT_HEADER.code }));
  });
});

describe('the file', () => {
  it.each([
    ['Latin-1', Buffer.from('email,name\na@example.com,Zo\xeb\n', 'latin1')],
    ['UTF-16', Buffer.from('\ufeffemail\n', 'utf16le')],
    ['a character that is cut off', Buffer.from('email,name\na@example.com,é').subarray(0, -1)],
    ['a surrogate', Buffer.from([...Buffer.from('email\n'), 0xed, 0xa0, 0x80])],
  ])('refuses %s', (_what, bytes) => {
    for (const size of [1, 1_000])
      expect(() => read(bytes, size)).toThrow(expect.objectContaining({ code: UserErrors.IMPORT_NOT_UTF8.code }));
  });

  it('puts characters together that come in pieces', () => {
    expect((read('email,name\na@example.com,Ωé😀\n', 1)[0] as ImportedUser).name).toBe('Ωé😀');
  });

  it(`takes ${MOST_ROWS} rows and refuses one more, empty lines not counted`, () => {
    const rows = 'x@example.com\n\n'.repeat(MOST_ROWS);
    const file = new ImportFile();
    let seen = 0;
    for (const { row } of file.read(Buffer.from(`email\n${rows}`))) seen = row;
    expect(seen).toBe(MOST_ROWS);
    expect(() => [...file.read(Buffer.from('y@example.com\n'))]).toThrow(
      expect.objectContaining({ code: UserErrors.IMPORT_TOO_LONG.code }),
    );
  });
});

describe('a row', () => {
  it('is trimmed, in normal form C, its e-mail in lower case, without our apostrophes', () => {
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
      'a@example.com,,,,,',
      'a@example.com',
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

  it('is taken or refused just as POST /api/users does it', async () => {
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
    const some = (most: number): string =>
      Array.from({ length: below(random, most) }, () => pick(random, parts)).join('');
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
      if (hobbies.length === 1 && hobbies[0]?.trim() === '') hobbies.pop(); // an empty cell holds none
      if ([email, username, name].some((text) => text.startsWith("'"))) continue; // may be an apostrophe of ours
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

  it('has the same UUID each time, of its own, with the time of its job', () => {
    const uuids = Array.from({ length: 1_000 }, (_, row) => rowUuid(JOB, row));
    expect(new Set(uuids).size).toBe(1_000);
    expect(uuids.map((_, row) => rowUuid(JOB, row))).toEqual(uuids);
    expect(rowUuid('01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a12', 1)).not.toBe(uuids[1]);
    for (const uuid of uuids) expect(uuid).toMatch(/^01990a5e-7e1c-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is refused in words of ours', () => {
    for (const message of Object.values(REASONS)) expect(message).toMatch(/^[A-Z][ -~]+\.$/);
  });
});
