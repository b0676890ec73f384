// The sources keep the layers: imports point down and form no cycles, and some identifiers are reserved for some files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findFaults, readSource } from './rules.js';

/** Four feature modules, of which auth declares that it uses users. */
const MODULES = {
  'auth/auth.module.ts': `import { UsersModule } from '../users/users.module.js';`,
  'files/files.module.ts': '',
  'tasks/tasks.module.ts': '',
  'users/users.module.ts': '',
};

/** Returns the faults of the modules and of sources given as `{ path: text }`; a text without a first-line comment gets one. */
function faultsOf(sources: Record<string, string>): string[] {
  const withPurpose = (text: string) => (text.startsWith('//') ? text : `// Purpose.\n${text}`);
  return findFaults(
    new Map(
      Object.entries({ ...MODULES, ...sources }).map(([path, text]) => [path, readSource(path, withPurpose(text))]),
    ),
  );
}

it('src/ keeps the architecture rules', () => {
  const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  expect(paths.length).toBeGreaterThan(20);
  const read = (path: string) => readSource(path, readFileSync(join('src', path), 'utf8'));
  expect(findFaults(new Map(paths.map((path) => [path.replaceAll('\\', '/'), read(path)])))).toEqual([]);
});

describe('a source file is refused', () => {
  it.each([
    ['from a higher layer', 'common/a.ts', '../auth/b.js', 'common/a.ts imports upwards: auth/b.ts'],
    [
      'a type from a higher layer',
      'shared/libs/a.ts',
      '../config/b.js',
      'shared/libs/a.ts imports upwards: shared/config/b.ts',
    ],
    [
      'from a module that it does not import, but that imports it',
      'users/a.ts',
      '../auth/b.js',
      'users/a.ts imports across: auth/b.ts',
    ],
    ['from another feature module', 'tasks/a.ts', '../auth/b.js', 'tasks/a.ts imports across: auth/b.ts'],
    ['from an observer module', 'tasks/a.ts', '../audit/b.js', 'tasks/a.ts imports upwards: audit/b.ts'],
    ['from an entry point', 'health/a.ts', '../app.setup.js', 'health/a.ts imports upwards: app.setup.ts'],
    [
      'across one layer of shared/',
      'shared/config/a.ts',
      '../entities/b.js',
      'shared/config/a.ts imports across: shared/entities/b.ts',
    ],
    ['from outside src/', 'tasks/a.ts', '../../test/b.js', 'tasks/a.ts imports ../test/b.ts, which is not in src/'],
  ])('when it imports %s', (_how, path, target, fault) => {
    expect(faultsOf({ [path]: `import type { B } from '${target}';` })).toEqual([fault]);
  });

  it('when it imports from a higher layer by re-export or dynamic import', () => {
    expect(faultsOf({ 'common/a.ts': `export { b } from '../auth/b.js';\nawait import('../tasks/c.js');` })).toEqual([
      'common/a.ts imports upwards: auth/b.ts',
      'common/a.ts imports upwards: tasks/c.ts',
    ]);
  });

  it('when its imports form a cycle, with the path of the cycle', () => {
    const fault = 'cycle: users/a.ts → users/b.ts → users/c.ts → users/a.ts';
    expect(
      faultsOf({
        'users/entry.ts': `import './a.js';`,
        'users/a.ts': `import './b.js';`,
        'users/b.ts': `import './c.js';`,
        'users/c.ts': `import './a.js';`,
      }),
    ).toEqual([fault]);
  });

  it('when it is a barrel, uses forwardRef, reads the environment, builds queries outside repositories, emits job.done or normalizes text', () => {
    expect(
      faultsOf({
        'users/index.ts': `export {};`,
        'users/a.ts': `inject(forwardRef(() => B));`,
        'users/b.ts': `const port = process.env.PORT;`,
        'users/users.service.ts': `dataSource.createQueryBuilder();`,
        'workers/api/jobs.service.ts': `this.events.emit(JobDone, { jobId });`,
        'users/c.ts': `import { normalize } from '../shared/libs/text.js';\nnormalize(name);\nreadName().normalize('NFC');`,
        'shared/libs/text.ts': `export const normalize = (text: string) => text.normalize('NFC');`,
      }),
    ).toEqual([
      'users/index.ts is a barrel: import from the declaring file',
      'users/a.ts uses forwardRef: a cycle in disguise: move what both need one layer down',
      'users/b.ts uses process.env: declare the setting with defineSettings and inject its area',
      'users/users.service.ts uses createQueryBuilder: only repositories build queries',
      'workers/api/jobs.service.ts uses emit(JobDone): the statement that ends a job records its end',
      'users/c.ts uses .normalize: its running time is quadratic in runs of combining marks: use `normalize` of shared/libs/text.ts',
    ]);
  });

  it('when it is a repository that imports a DTO or HTTP', () => {
    const text = `import './dto/user.dto.js';\nimport '../common/http/hooks/a.js';\nimport '../common/http/http.errors.js';`;
    const common = { 'common/http/hooks/a.ts': '', 'common/http/http.errors.ts': '' };
    expect(faultsOf({ 'users/users.repository.ts': text, ...common })).toEqual([
      'users/users.repository.ts imports users/dto/user.dto.ts: a repository knows neither HTTP nor DTOs',
      'users/users.repository.ts imports common/http/hooks/a.ts: a repository knows neither HTTP nor DTOs',
    ]);
  });

  it('when it contains words that are not plain English', () => {
    const text = `// Who may.\n/** Whether it is. */\nconst MOST_ROWS = 3; // nobody reads more\n/** A limit for what is read. */`;
    expect(faultsOf({ 'users/a.ts': text })).toEqual([
      'users/a.ts is not in plain English: MOST_ROWS',
      'users/a.ts is not in plain English: nobody',
      'users/a.ts is not in plain English: Who may.',
      'users/a.ts is not in plain English: Whether it is. */',
    ]);
  });

  it('when a part of an identifier is a word that we avoid', () => {
    const text = 'let roomBytes, isTold, inbox, Letter, underWay; let inFlight, DeadLetter, storytelling, mushroom;';
    const refused = ['roomBytes', 'isTold', 'inbox', 'Letter', 'underWay'];
    expect(faultsOf({ 'users/a.ts': text })).toEqual(
      refused.map((name) => `users/a.ts is not in plain English: ${name}`),
    );
  });

  it('when the constructor of a class has more than 7 parameters', () => {
    const classOf = (name: string, count: number) =>
      `class ${name} { constructor(${Array.from({ length: count }, (_, n) => `private readonly a${n}: A`).join(', ')}) {} }`;
    expect(faultsOf({ 'users/a.ts': `${classOf('Enough', 7)}\n${classOf('Greedy', 8)}` })).toEqual([
      'users/a.ts: the constructor of Greedy has 8 parameters: split the class',
    ]);
  });

  it('when it has no purpose in its first line or belongs to no layer', () => {
    expect(faultsOf({ 'users/a.ts': '//\nexport {};', 'utils/b.ts': 'export {};' })).toEqual([
      'users/a.ts has no purpose in a comment on its first line',
      'utils/b.ts is in no layer: a feature module has a file utils/utils.module.ts',
    ]);
  });
});

it('source files that keep the rules have no fault', () => {
  expect(
    faultsOf({
      'app.module.ts': `import './auth/auth.module.js';\nimport './health/health.module.js';`,
      'health/health.module.ts': `import '../shared/database/database.module.js';`,
      'auth/auth.service.ts': `import '../users/users.repository.js';\nimport '@nestjs/common';`,
      'users/users.repository.ts': `import '../common/repositories/base.repository.js';\nthis.createQueryBuilder();`,
      'common/repositories/base.repository.ts': `import '../../shared/database/transaction.js';`,
      'shared/database/transaction.ts': `import '../config/app-config.js'; // no forwardRef, no process.env`,
      'shared/config/app-config.ts': `import manifest from '../../../package.json' with { type: 'json' };`,
    }),
  ).toEqual([]);
});
