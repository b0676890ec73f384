// The sources keep the layers: imports point down, without cycles, and some names are reserved for some files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findFaults, readSource } from './rules.js';

/** Of sources as `{ path: text }`; a first line is added to a text without one. */
function faultsOf(sources: Record<string, string>): string[] {
  const withPurpose = (text: string) => (text.startsWith('//') ? text : `// Purpose.\n${text}`);
  return findFaults(
    new Map(Object.entries(sources).map(([path, text]) => [path, readSource(path, withPurpose(text))])),
  );
}

it('src/ keeps the rules of the architecture', () => {
  const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  expect(paths.length).toBeGreaterThan(20);
  const read = (path: string) => readSource(path, readFileSync(join('src', path), 'utf8'));
  expect(findFaults(new Map(paths.map((path) => [path.replaceAll('\\', '/'), read(path)])))).toEqual([]);
});

describe('sources are refused', () => {
  it.each([
    ['upwards', 'common/a.ts', '../auth/b.js', 'common/a.ts imports upwards: auth/b.ts'],
    ['upwards as a type', 'shared/libs/a.ts', '../config/b.js', 'shared/libs/a.ts imports upwards: shared/config/b.ts'],
    ['against a declared edge', 'users/a.ts', '../auth/b.js', 'users/a.ts imports across: auth/b.ts'],
    ['from feature to feature', 'tasks/a.ts', '../auth/b.js', 'tasks/a.ts imports across: auth/b.ts'],
    ['an observer', 'tasks/a.ts', '../audit/b.js', 'tasks/a.ts imports upwards: audit/b.ts'],
    ['an entry point', 'health/a.ts', '../app.setup.js', 'health/a.ts imports upwards: app.setup.ts'],
    [
      'across a layer of shared/',
      'shared/config/a.ts',
      '../entities/b.js',
      'shared/config/a.ts imports across: shared/entities/b.ts',
    ],
    ['from outside', 'tasks/a.ts', '../../test/b.js', 'tasks/a.ts imports ../test/b.ts, which is not in src/'],
  ])('that imports %s', (_how, path, target, fault) => {
    expect(faultsOf({ [path]: `import type { B } from '${target}';` })).toEqual([fault]);
  });

  it('for re-exports and dynamic imports too', () => {
    expect(faultsOf({ 'common/a.ts': `export { b } from '../auth/b.js';\nawait import('../tasks/c.js');` })).toEqual([
      'common/a.ts imports upwards: auth/b.ts',
      'common/a.ts imports upwards: tasks/c.ts',
    ]);
  });

  it('for a cycle, with its path', () => {
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

  it('for a barrel, a forwardRef, reading the environment, building queries outside of repositories, and normalizing text', () => {
    expect(
      faultsOf({
        'users/index.ts': `export {};`,
        'users/a.ts': `inject(forwardRef(() => B));`,
        'users/b.ts': `const port = process.env.PORT;`,
        'users/users.service.ts': `dataSource.createQueryBuilder();`,
        'users/c.ts': `import { normalize } from '../shared/libs/text.js';\nnormalize(name);\nreadName().normalize('NFC');`,
        'shared/libs/text.ts': `export const normalize = (text: string) => text.normalize('NFC');`,
      }),
    ).toEqual([
      'users/index.ts is a barrel: import from the file that has it',
      'users/a.ts says forwardRef: a cycle in disguise: move what both need one layer down',
      'users/b.ts says process.env: declare the setting in env.schema.ts and ask AppConfig',
      'users/users.service.ts says createQueryBuilder: only repositories build queries',
      'users/c.ts says .normalize: its time is quadratic in runs of combining marks: use `normalize` of shared/libs/text.ts',
    ]);
  });

  it('for words that are not plain', () => {
    const text = `// Who may.\n/** Whether it is. */\nconst MOST_ROWS = 3; // nobody reads more\n/** A limit for what is read. */`;
    expect(faultsOf({ 'users/a.ts': text })).toEqual([
      'users/a.ts is not in plain English: MOST_ROWS',
      'users/a.ts is not in plain English: nobody',
      'users/a.ts is not in plain English: Who may.',
      'users/a.ts is not in plain English: Whether it is. */',
    ]);
  });

  it('for a file without a purpose, or in no layer', () => {
    expect(faultsOf({ 'users/a.ts': '//\nexport {};', 'utils/b.ts': 'export {};' })).toEqual([
      'users/a.ts does not say its purpose in a comment on its first line',
      'utils/b.ts is in no layer: give its folder one in test/architecture/rules.ts',
    ]);
  });
});

it('sources that keep the rules have no fault', () => {
  expect(
    faultsOf({
      'app.module.ts': `import './auth/auth.module.js';\nimport './health/health.module.js';`,
      'health/health.module.ts': `import '../shared/database/database.module.js';`,
      'auth/auth.module.ts': `import '../users/users.repository.js';\nimport '@nestjs/common';`,
      'users/users.repository.ts': `import '../common/repositories/base.repository.js';\nthis.createQueryBuilder();`,
      'common/repositories/base.repository.ts': `import '../../shared/database/transaction.js';`,
      'shared/database/transaction.ts': `import '../config/app-config.js'; // no forwardRef, no process.env`,
      'shared/config/app-config.ts': `import manifest from '../../../package.json' with { type: 'json' };`,
    }),
  ).toEqual([]);
});
