// The house stands as DESIGN.md draws it: imports point down, in no circle, and some words stay where they belong.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findFaults, readSource } from './house.js';

/** A house of `{ path: source }`; a first line is put in where the text brings none. */
function faultsOf(sources: Record<string, string>): string[] {
  const withPurpose = (text: string) => (text.startsWith('//') ? text : `// Purpose.\n${text}`);
  return findFaults(
    new Map(Object.entries(sources).map(([path, text]) => [path, readSource(path, withPurpose(text))])),
  );
}

it('src/ keeps the rules of the house', () => {
  const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  expect(paths.length).toBeGreaterThan(20);
  const read = (path: string) => readSource(path, readFileSync(join('src', path), 'utf8'));
  expect(findFaults(new Map(paths.map((path) => [path.replaceAll('\\', '/'), read(path)])))).toEqual([]);
});

describe('a house is refused', () => {
  it.each([
    ['upwards', 'common/a.ts', '../auth/b.js', 'common/a.ts imports upwards: auth/b.ts'],
    ['upwards as a type', 'shared/libs/a.ts', '../config/b.js', 'shared/libs/a.ts imports upwards: shared/config/b.ts'],
    ['against a declared edge', 'users/a.ts', '../auth/b.js', 'users/a.ts imports across: auth/b.ts'],
    ['from room to room', 'tasks/a.ts', '../auth/b.js', 'tasks/a.ts imports across: auth/b.ts'],
    ['an observer', 'tasks/a.ts', '../audit/b.js', 'tasks/a.ts imports upwards: audit/b.ts'],
    ['the door', 'health/a.ts', '../app.setup.js', 'health/a.ts imports upwards: app.setup.ts'],
    [
      'across the plumbing',
      'shared/config/a.ts',
      '../entities/b.js',
      'shared/config/a.ts imports across: shared/entities/b.ts',
    ],
    ['from outside', 'tasks/a.ts', '../../test/b.js', 'tasks/a.ts imports ../test/b.ts, which is not in the house'],
  ])('that imports %s', (_how, path, target, fault) => {
    expect(faultsOf({ [path]: `import type { B } from '${target}';` })).toEqual([fault]);
  });

  it('for re-exports and dynamic imports too', () => {
    expect(faultsOf({ 'common/a.ts': `export { b } from '../auth/b.js';\nawait import('../tasks/c.js');` })).toEqual([
      'common/a.ts imports upwards: auth/b.ts',
      'common/a.ts imports upwards: tasks/c.ts',
    ]);
  });

  it('for a cycle, whose way is told', () => {
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

  it('for a barrel, a forwardRef, a reader of the environment, a builder of queries outside repositories, a normalize of its own', () => {
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
      'users/a.ts says forwardRef: a cycle in disguise: move what both need one floor down',
      'users/b.ts says process.env: declare the setting in env.schema.ts and ask AppConfig',
      'users/users.service.ts says createQueryBuilder: only repositories build queries',
      'users/c.ts says .normalize: its time is quadratic in runs of combining marks: use `normalize` of shared/libs/text.ts',
    ]);
  });

  it('for a file without a purpose, or on no floor', () => {
    expect(faultsOf({ 'users/a.ts': '//\nexport {};', 'utils/b.ts': 'export {};' })).toEqual([
      'users/a.ts does not say its purpose in a comment on its first line',
      'utils/b.ts stands on no floor: give its folder one in test/architecture/house.ts',
    ]);
  });
});

it('a house in order is left alone', () => {
  expect(
    faultsOf({
      'app.module.ts': `import './auth/auth.module.js';\nimport './health/health.module.js';`,
      'health/health.module.ts': `import '../shared/services/database/database.module.js';`,
      'auth/auth.module.ts': `import '../users/users.repository.js';\nimport '@nestjs/common';`,
      'users/users.repository.ts': `import '../common/repositories/base.repository.js';\nthis.createQueryBuilder();`,
      'common/repositories/base.repository.ts': `import '../../shared/services/database/transaction.js';`,
      'shared/services/database/transaction.ts': `import '../../config/app-config.js'; // no forwardRef, no process.env`,
      'shared/config/app-config.ts': `import manifest from '../../../package.json' with { type: 'json' };`,
    }),
  ).toEqual([]);
});
