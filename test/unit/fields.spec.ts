// The values that each DTO accepts and refuses, field by field, through the global validation pipe.
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { getMetadataStorage } from 'class-validator';
import { ChangePasswordDto, LoginDto, RefreshDto, RegisterDto } from '../../src/auth/dto/auth.dto.js';
import { parseTime } from '../../src/common/decorators/fields.decorator.js';
import { createValidationPipe } from '../../src/common/http/pipes/validation.pipe.js';
import { AppError } from '../../src/shared/libs/app-error.js';
import { ChangeTaskDto, CreateTaskDto, CreateTasksDto, ListTasksQuery } from '../../src/tasks/dto/task.dto.js';
import { ChangeProfileDto, ChangeUserDto, CreateUserDto, ListUsersQuery } from '../../src/users/dto/user.dto.js';

type Dto = new () => object;

const isQuery = (dto: Dto) => dto.name.endsWith('Query');
const pipe = createValidationPipe();

/** Returns the value that the route receives. */
async function take(dto: Dto, value: unknown): Promise<Record<string, unknown>> {
  return (await pipe.transform(value, { metatype: dto, type: isQuery(dto) ? 'query' : 'body' })) as never;
}

async function refusalOf(dto: Dto, value: unknown): Promise<AppError> {
  const refusal: unknown = await take(dto, value).catch((error: unknown) => error);
  if (!(refusal instanceof AppError)) throw new Error(`Accepted: ${JSON.stringify(refusal)}`);
  return refusal;
}

/** Returns each refused field with the rule that it breaks. */
async function faultsOf(dto: Dto, value: unknown): Promise<string[]> {
  return (await refusalOf(dto, value)).errors.map(({ field, rule }) => `${field} ${rule}`);
}

/** The smallest valid object around one member. */
const BASE = new Map<Dto, object>([
  [CreateTaskDto, { title: 'x' }],
  [RegisterDto, { email: 'ada@example.com', password: 'eight ch', name: 'Ada' }],
  [LoginDto, { email: 'ada@example.com', password: 'x' }],
  [ChangePasswordDto, { currentPassword: 'x', newPassword: 'eight ch' }],
]);

/** `taken`: values that arrive unchanged. `becomes`: pairs of the sent and the received value. `refused`: value and rule. */
interface Rules {
  taken: unknown[];
  becomes?: Array<[unknown, unknown]>;
  refused: Array<[unknown, string]>;
}

function field(dtos: Dto[], name: string, { taken, becomes = [], refused }: Rules): void {
  for (const dto of dtos) {
    const having = (value: unknown) => ({ ...BASE.get(dto), [name]: value });

    it(`${dto.name}.${name}`, async () => {
      for (const value of taken) expect((await take(dto, having(value)))[name]).toEqual(value);
      for (const [sent, arrives] of becomes)
        expect([sent, (await take(dto, having(sent)))[name]]).toEqual([sent, arrives]);
      for (const [value, rule] of refused) {
        expect([value, await faultsOf(dto, having(value))]).toEqual([value, [`${name} ${rule}`]]);
      }
    });
  }
}

const HALF = 'x\ud83d';
const NUL = 'a\0b';
/** `normalize` needs more than a minute to sort these marks. */
const FLOOD = `a${'\u0323\u0300'.repeat(250_000)}`;
const STACK = `a${'\u0323'.repeat(31)}`;
const text = (length: number) => 'x'.repeat(length);
const notText = (rule: string): Array<[unknown, string]> => [7, true, {}, [], ['x']].map((value) => [value, rule]);

/** Valid texts of `min` to `max` characters; a character outside the BMP counts once. */
function textRules(min: number, max: number): Rules {
  return {
    taken: [text(max), 'naïve 日本 😀', ...(min === 0 ? [''] : ['x']), '😀'.repeat(max)],
    becomes: [
      [' \t\n\u3000\ufeffboth ends\u00a0 ', 'both ends'],
      ['e\u0301', 'é'],
      [` ${text(max)} `, text(max)],
    ],
    refused: [
      [text(max + 1), 'maxLength'],
      ['😀'.repeat(max + 1), 'maxLength'],
      ...(min === 0
        ? []
        : ([
            ['', 'minLength'],
            [' \t ', 'minLength'],
          ] as Array<[unknown, string]>)),
      [NUL, 'isStorable'],
      [HALF, 'isStorable'],
      ...(max > 31 ? ([[STACK, 'isStreamSafe']] as Array<[unknown, string]>) : []),
      [FLOOD, 'maxLength'],
      ...notText('isString'),
    ],
  };
}

const orNull = (rules: Rules): Rules => ({ ...rules, taken: [...rules.taken, null] });
const notNull = (rules: Rules, rule: string): Rules => ({ ...rules, refused: [...rules.refused, [null, rule]] });

const DOMAIN = `${text(63)}.${text(63)}.${text(58)}.io`; // with a local part of 64 characters: 254
const EMAIL: Rules = {
  taken: ['ada@example.com', `${text(64)}@${DOMAIN}`],
  becomes: [
    [' Ada.Lovelace@Example.COM ', 'ada.lovelace@example.com'],
    ['RENE\u0301@example.com', 'ren\u00e9@example.com'],
    ['ada@M\u00dcLLER.de', 'ada@xn--mller-kva.de'],
  ],
  refused: [
    [`${text(64)}@x${DOMAIN}`, 'maxLength'],
    ['ada\0@example.com', 'isStorable'],
    [`${STACK}@example.com`, 'isStreamSafe'],
    [`${FLOOD}@example.com`, 'maxLength'],
    ...[
      `${text(65)}@example.com`,
      '',
      'ada',
      'ada@',
      '@example.com',
      'a b@example.com',
      'ada@example',
      'ada@example.com,x@y.org',
      'Ada <ada@example.com>',
    ].map((value): [unknown, string] => [value, 'isEmail']),
    ...notText('isString'),
    [['ada@example.com'], 'isString'],
  ],
};

const password = (min: number): Rules => ({
  taken: [text(min), text(128), ' '.repeat(min), ' Naïve e\u0301 日本 😀\t\n', 'ÀÉ PASSWORD'],
  refused: [
    ...(min > 1 ? ([[text(min - 1), 'minLength']] as Array<[unknown, string]>) : []),
    ['', 'minLength'],
    [text(129), 'maxLength'],
    [`${NUL}longer`, 'isStorable'],
    [`${HALF} longer`, 'isStorable'],
    [STACK, 'isStreamSafe'],
    [FLOOD, 'maxLength'],
    [null, 'isString'],
    ...notText('isString'),
  ],
});

const int = (min: number, max: number): Rules => ({
  taken: [min, max, min + 1],
  refused: [
    [min - 1, 'min'],
    [max + 1, 'max'],
    [2 ** 53, 'max'],
    [-(2 ** 63), 'min'],
    ...[min + 0.5, String(min), true, {}, [min], Infinity, NaN].map((value): [unknown, string] => [value, 'isInt']),
  ],
});

const inOtherCase = (value: string): string =>
  value === value.toLowerCase() ? value.toUpperCase() : value.toLowerCase();
const oneOf = (values: readonly string[]): Rules => ({
  taken: [...values],
  refused: [...values.map(inOtherCase), ` ${values[0]}`, '', 0, true, {}, [values[0]]].map((value) => [value, 'isIn']),
});

const NO_TIMES = [
  'now',
  'infinity',
  '-infinity',
  'epoch',
  'today',
  'tomorrow',
  '',
  '2030',
  '2030-01-31',
  '2030-01-31T09:00:00',
  '2030-01-31T09:00Z',
  '2030-01-31 09:00:00Z',
  '20300131T090000Z',
  '2030-01-31T09:00:00.Z',
  '2030-01-31T09:00:00,5Z',
  '2030-01-31T09:00:00.1234567890Z',
  '2030-01-31T09:00:00 Z',
  '2030-01-31T09:00:00+01',
  '2030-01-31T09:00:00+0100',
  '2030-01-31T09:00:00 UTC',
  'Thu, 31 Jan 2030 09:00:00 GMT',
  '2030-1-31T09:00:00Z',
  '+002030-01-31T09:00:00Z',
  '2030-02-30T00:00:00Z',
  '2030-02-29T00:00:00Z',
  '2100-02-29T00:00:00Z',
  '2030-04-31T12:00:00+02:00',
  '2030-00-10T00:00:00Z',
  '2030-13-10T00:00:00Z',
  '2030-01-00T00:00:00Z',
  '2030-01-32T00:00:00Z',
  '2030-01-31T24:00:00Z',
  '2030-01-31T09:60:00Z',
  '2030-01-31T09:00:60Z',
  '2030-01-31T09:00:00+24:00',
  '2030-01-31T09:00:00+01:60',
  '1969-12-31T23:59:59.999Z',
  '1970-01-01T00:00:00+00:01',
  '2200-01-01T00:00:00.000Z',
  '2199-12-31T23:59:59-00:01',
  '9999-12-31T23:59:59Z',
  '2030-01-31T09:00:00Z\n',
  '٢٠٣٠-01-31T09:00:00Z',
];
const TIME: Rules = {
  taken: [],
  becomes: (
    [
      ['2030-01-31T09:00:00Z', '2030-01-31T09:00:00.000Z'],
      ['2030-01-31T09:00:00.5+05:30', '2030-01-31T03:30:00.500Z'],
      ['2030-01-31T09:00:00.123456789-00:00', '2030-01-31T09:00:00.123Z'],
      ['2032-02-29T23:59:59Z', '2032-02-29T23:59:59.000Z'],
      ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
      ['2199-12-31T23:59:59.999Z', '2199-12-31T23:59:59.999Z'],
      ['2030-01-01T00:30:00+01:00', '2029-12-31T23:30:00.000Z'],
    ] as const
  ).map(([sent, arrives]) => [sent, new Date(arrives)]),
  refused: [...NO_TIMES, NUL, 0, 1_900_000_000, true, {}, []].map((value) => [value, 'isDate']),
};

const ROLE = notNull(oneOf(['ADMIN', 'USER']), 'isIn');
const STATUS = notNull(oneOf(['TODO', 'IN_PROGRESS', 'DONE']), 'isIn');
const HOBBIES: Rules = {
  taken: [[], ['coding', 'chess'], Array(50).fill(text(100))],
  becomes: [
    [
      [' e\u0301 ', 'b'],
      ['é', 'b'],
    ],
  ],
  refused: [
    [Array(51).fill('x'), 'arrayMaxSize'],
    [['x', ''], 'minLength'],
    [['x', ' '], 'minLength'],
    [['x', text(101)], 'maxLength'],
    [[NUL], 'isStorable'],
    [[HALF], 'isStorable'],
    [[STACK], 'isStreamSafe'],
    [[FLOOD], 'maxLength'],
    ...[[1], [null], [['x']], [{}]].map((value): [unknown, string] => [value, 'isString']),
    ...[null, 'x', 7, true].map((value): [unknown, string] => [value, 'isArray']),
    [{ 0: 'x', length: 1 }, 'isArray'],
  ],
};

describe('task fields', () => {
  const both = [CreateTaskDto, ChangeTaskDto];
  field(both, 'title', notNull(textRules(1, 200), 'isString'));
  field(both, 'description', notNull(textRules(0, 10_000), 'isString'));
  field(both, 'status', STATUS);
  field(both, 'priority', notNull(int(1, 5), 'isInt'));
  field(both, 'dueAt', orNull(TIME));
});

describe('user fields', () => {
  const both = [CreateUserDto, ChangeUserDto];
  field(both, 'email', orNull(EMAIL));
  field(both, 'password', password(8));
  field(both, 'role', ROLE);
  const three = [...both, ChangeProfileDto];
  field(three, 'name', orNull(textRules(1, 100)));
  field(three, 'username', orNull(textRules(1, 50)));
  field(three, 'age', orNull(int(0, 150)));
  field(three, 'hobbies', HOBBIES);
});

describe('login fields', () => {
  field([RegisterDto, LoginDto], 'email', notNull(EMAIL, 'isString'));
  field([RegisterDto], 'password', password(8));
  field([LoginDto], 'password', password(1));
  field([RegisterDto], 'name', notNull(textRules(1, 100), 'isString'));
  field([RefreshDto], 'refreshToken', notNull(textRules(1, 200), 'isString'));
  field([ChangePasswordDto], 'currentPassword', password(1));
  field([ChangePasswordDto], 'newPassword', password(8));
});

describe('list query fields', () => {
  const both = [ListTasksQuery, ListUsersQuery];
  const intQuery = (min: number, max: number): Rules => ({
    taken: [],
    becomes: [
      [String(min), min],
      [String(max), max],
    ],
    refused: [
      [String(min - 1), 'min'],
      [String(max + 1), 'max'],
      ['999999999', 'max'],
      ...['', ' 1', '1 ', '+1', '-1', '01', '1.0', '1e0', '0x1', '1_0', '9999999999', '१', ['1', '2'], NUL].map(
        (value): [unknown, string] => [value, 'isInt'],
      ),
    ],
  });
  field(both, 'limit', intQuery(1, 100));
  field([ListTasksQuery], 'priority', { ...intQuery(1, 5) });
  field(both, 'cursor', textRules(1, 500));
  field(both, 'deleted', {
    taken: [],
    becomes: [
      ['true', true],
      ['false', false],
    ],
    refused: ['', 'TRUE', '1', '0', 'yes', 'constructor', ['true', 'true']].map((value) => [value, 'isBoolean']),
  });
  const sorts = ['createdAt', 'updatedAt', 'priority', 'dueAt'];
  const sortRules = (names: string[]): Rules => ({
    taken: names.flatMap((name) => [name, `-${name}`]),
    refused: [
      '',
      'id',
      'title',
      '--createdAt',
      '+createdAt',
      'CREATEDAT',
      'createdAt,id',
      'constructor',
      ['createdAt'],
    ].map((value) => [value, 'isIn']),
  });
  field([ListTasksQuery], 'sort', sortRules(sorts));
  field([ListUsersQuery], 'sort', sortRules(sorts.slice(0, 2)));
  field([ListTasksQuery], 'status', STATUS);
  field([ListUsersQuery], 'role', ROLE);
  field([ListTasksQuery], 'q', textRules(1, 200));
  field([ListUsersQuery], 'q', textRules(1, 100));
  field([ListTasksQuery], 'dueBefore', TIME);

  it('a list query without parameters means 20 items, newest first', async () => {
    for (const dto of both) expect(await take(dto, {})).toEqual({ limit: 20, sort: '-createdAt' });
  });
});

describe('an absent member', () => {
  it('stays absent: it is neither null nor a member', async () => {
    for (const dto of [ChangeTaskDto, ChangeUserDto, ChangeProfileDto, RefreshDto]) {
      expect(Object.keys(await take(dto, {}))).toEqual([]);
    }
    expect(Object.keys(await take(ChangeTaskDto, { dueAt: null }))).toEqual(['dueAt']);
    expect(Object.keys(await take(CreateTaskDto, { title: 'x' }))).toEqual(['title']);
  });

  it.each<[Dto, string[]]>([
    [CreateTaskDto, ['title isString']],
    [CreateUserDto, []],
    [RegisterDto, ['email isString', 'name isString', 'password isString']],
    [LoginDto, ['email isString', 'password isString']],
    [ChangePasswordDto, ['currentPassword isString', 'newPassword isString']],
  ])('is reported where it is required: %p %j', async (dto, faults) => {
    if (faults.length === 0) expect(await take(dto, {})).toEqual({});
    else expect((await faultsOf(dto, {})).sort()).toEqual(faults);
  });

  it('a missing body counts as an empty body', async () => {
    expect(await take(RefreshDto, undefined)).toEqual({});
    expect(await faultsOf(LoginDto, undefined)).toHaveLength(2);
  });
});

describe('unknown members are refused', () => {
  it.each<[Dto, string]>([
    [CreateTaskDto, 'ownerId'],
    [ChangeTaskDto, 'version'],
    [ChangeTaskDto, 'deletedAt'],
    [ChangeUserDto, 'passwordHash'],
    [ChangeProfileDto, 'role'],
    [ChangeProfileDto, 'email'],
    [ChangeProfileDto, 'password'],
    [RegisterDto, 'role'],
    [ListTasksQuery, 'owner'],
    [ListUsersQuery, 'password'],
    [CreateTaskDto, 'Title'],
    [CreateTaskDto, 'then'],
    [CreateTaskDto, ''],
  ])('of %p: %j', async (dto, name) => {
    expect(await faultsOf(dto, { ...BASE.get(dto), [name]: 'ADMIN' })).toEqual([`${name} unknownMember`]);
  });

  it('unless Object has a member of that name, which has no effect', async () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', '__proto__']) {
      const body = JSON.parse(`{"title": "x", "${name}": {"a": 1}}`) as object;
      const taken = await take(CreateTaskDto, body).catch((error: unknown) => error as AppError);
      if (taken instanceof AppError) expect(taken.code).toBe('VALIDATION_FAILED');
      else
        expect([name, Object.keys(taken), Object.getPrototypeOf(taken)]).toEqual([
          name,
          ['title'],
          CreateTaskDto.prototype,
        ]);
    }
  });
});

describe('a batch of tasks', () => {
  const tasks = (count: number, task: unknown = { title: 'x' }) => ({ tasks: Array<unknown>(count).fill(task) });

  it('accepts 1 to 500 tasks', async () => {
    expect((await take(CreateTasksDto, tasks(1)))['tasks']).toEqual([{ title: 'x' }]);
    expect((await take(CreateTasksDto, tasks(500)))['tasks']).toHaveLength(500);
    expect(await faultsOf(CreateTasksDto, tasks(0))).toEqual(['tasks arrayMinSize']);
    expect(await faultsOf(CreateTasksDto, tasks(501))).toEqual(['tasks arrayMaxSize']);
  });

  it('validates each task like a single one, and reports its index', async () => {
    const mixed = [
      { title: ' x ' },
      { title: '', priority: 6 },
      { title: 'x', ownerId: 7 },
      { dueAt: 'now', title: 'x' },
    ];
    expect(await faultsOf(CreateTasksDto, { tasks: mixed })).toEqual([
      'tasks.1.title minLength',
      'tasks.1.priority max',
      'tasks.2.ownerId unknownMember',
      'tasks.3.dueAt isDate',
    ]);
    expect((await refusalOf(CreateTasksDto, { tasks: mixed })).errors[3]?.message).toMatch(/^tasks\.3\.dueAt must be/);
  });

  it.each([
    undefined,
    null,
    'x',
    7,
    {},
    { 0: { title: 'x' } },
    [null],
    [7],
    ['x'],
    [true],
    [[]],
    [[{ title: 'x', evil: 1 }]],
  ])('is refused as %j', async (value) => {
    const faults = await faultsOf(CreateTasksDto, { tasks: value });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^tasks /);
  });
});

describe('a body that is not an object is refused', () => {
  it.each(['x', '', 7, true, [], [{}], [{ title: 'x' }]])('%j', async (value) => {
    for (const dto of [CreateTaskDto, ChangeTaskDto, CreateTasksDto, RegisterDto]) {
      expect(await refusalOf(dto, value)).toMatchObject({ code: 'VALIDATION_FAILED', status: 400 });
    }
  });
});

describe('every DTO', () => {
  type Rule = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];
  const fields: Array<{ dto: Dto; name: string; rules: Rule[] }> = [];
  beforeAll(async () => {
    const paths = readdirSync('src', { recursive: true, encoding: 'utf8' });
    for (const path of paths.filter((one) => one.endsWith('.dto.ts'))) {
      const exported = Object.values((await import(`../../src/${path}`)) as Record<string, unknown>);
      for (const dto of exported.filter(
        (one): one is Dto => typeof one === 'function' && one.prototype !== undefined,
      )) {
        const all = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
        for (const name of new Set(all.map(({ propertyName }) => propertyName)))
          fields.push({ dto, name, rules: all.filter(({ propertyName }) => propertyName === name) });
      }
    }
    expect(fields.length).toBeGreaterThan(60);
  });
  const namesOf = (rules: Rule[]) => rules.flatMap(({ name }) => name ?? []);

  it('reports that a list must be an array before its other faults', async () => {
    const lists = fields.filter(({ rules }) => rules.some(({ name, each }) => each || name === 'isArray'));
    expect(lists.map(({ dto, name }) => `${dto.name}.${name}`)).toEqual(
      expect.arrayContaining(['CreateTasksDto.tasks', 'BatchDto.requests', 'CreateBucketDto.allowedTypes']),
    );
    for (const { dto, name } of lists)
      for (const value of ['x', 7, {}, { 0: 'x', length: 1 }]) {
        const { errors } = await refusalOf(dto, { ...BASE.get(dto), [name]: value });
        expect(errors.filter(({ field }) => field === name)).toEqual([
          { field: name, rule: 'isArray', message: `${name} must be an array` },
        ]);
      }
  });

  it('checks the type of a field first, then lengths, then other rules; the rules of list items come last', () => {
    const rank = ({ name, each }: Rule): number => {
      const kind = /^is(String|Array|Int|Boolean|Object|Date|In)$/.test(name ?? '')
        ? 0
        : /Length$|Size$/.test(name ?? '')
          ? 1
          : 2;
      return kind + (each ? 3 : 0);
    };
    for (const { dto, name, rules } of fields) {
      const named = rules.filter(({ name }) => ![undefined, 'arrayUnique', 'isOptional'].includes(name));
      const sorted = named.toSorted((one, other) => rank(one) - rank(other));
      expect([dto.name, name, namesOf(named)]).toEqual([dto.name, name, namesOf(sorted)]);
    }
  });

  it.each<[Dto, string[]]>([
    [RegisterDto, ['email', 'password', 'name']],
    [CreateTaskDto, ['title', 'description', 'status', 'priority', 'dueAt']],
    [ChangeTaskDto, ['title', 'description', 'status', 'priority', 'dueAt']],
    [CreateUserDto, ['email', 'password', 'name', 'username', 'age', 'hobbies', 'role']],
    [ChangeProfileDto, ['name', 'username', 'age', 'hobbies']],
  ])('%p reports faults in the order of its fields, not in the order of the request', async (dto, names) => {
    for (const order of [names, names.toReversed()]) {
      const { errors, message } = await refusalOf(dto, Object.fromEntries(order.map((name) => [name, {}])));
      expect(errors.map(({ field }) => field)).toEqual(names);
      expect(message).toBe(errors.map((error) => error.message).join('; '));
    }
  });
});

describe('the validation problem', () => {
  it('names every fault with field, rule and message, and has a summary', async () => {
    const error = await refusalOf(CreateTaskDto, { title: '', priority: 9, secret: 1 });
    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', status: 400 });
    const errors = [
      { field: 'secret', rule: 'unknownMember', message: 'property secret should not exist' },
      { field: 'title', rule: 'minLength', message: 'title must be longer than or equal to 1 characters' },
      { field: 'priority', rule: 'max', message: 'priority must not be greater than 5' },
    ];
    expect(error.errors).toEqual(errors);
    expect(error.message).toBe(errors.map(({ message }) => message).join('; '));
  });

  it('never repeats a value', async () => {
    const body = { email: 'no-mail-s3same', password: 'sesame', name: ['s3same'], extra: 's3same' };
    const error = await refusalOf(RegisterDto, body);
    expect(error.errors).toHaveLength(4);
    expect(JSON.stringify([error, error.message])).not.toMatch(/sesame|s3same/);
  });

  it('names at most 50 unknown members, at the cost of one look at each', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`unknown${at}`, { a: [1] }]));
    const fields = Array.from({ length: 50 }, (_, at) => `unknown${at} unknownMember`);
    expect(await faultsOf(CreateTaskDto, { ...unknown, title: '' })).toEqual(fields);
    expect(await faultsOf(CreateTasksDto, { tasks: [{ title: '' }, unknown] })).toEqual(
      fields.map((fault) => `tasks.1.${fault}`),
    );
    let looks = 0;
    const count = <Result>(result: Result): Result => {
      looks++;
      return result;
    };
    const counted = new Proxy(unknown, {
      get: (target, key) => count<unknown>(Reflect.get(target, key)),
      has: (target, key) => count(Reflect.has(target, key)),
      getOwnPropertyDescriptor: (target, key) => count(Reflect.getOwnPropertyDescriptor(target, key)),
    });
    await faultsOf(CreateTasksDto, { tasks: Array<unknown>(10).fill(counted) });
    expect(looks).toBeGreaterThanOrEqual(10 * 1_000);
    expect(looks).toBeLessThan(5 * 10 * 1_000);
  });

  it('stays short for any input', async () => {
    const many = await refusalOf(CreateTasksDto, { tasks: Array(500).fill({ title: '' }) });
    expect(many.errors).toHaveLength(50);
    expect(many.message.length).toBeLessThanOrEqual(1_001);
    const long = await refusalOf(CreateTasksDto, { tasks: [{ title: 'x', [text(100_000)]: 1 }] });
    expect(long.errors).toHaveLength(1);
    expect(JSON.stringify(long.errors).length).toBeLessThan(1_000);
  });
});

it('times are milliseconds of an existing date, or null', () => {
  expect(parseTime('2030-01-31T09:00:00.123Z')).toEqual(new Date('2030-01-31T09:00:00.123Z'));
  for (const wrong of NO_TIMES) expect([wrong, parseTime(wrong)]).toEqual([wrong, null]);
});
