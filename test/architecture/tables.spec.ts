// The SQL of a module names only its own tables; exceptions are declared.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { findForeignTables, findUnowned } from './tables.js';

const read = (folder: string, name: RegExp): Map<string, string> => {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => name.test(path));
  return new Map(paths.map((path) => [path.replaceAll('\\', '/'), readFileSync(join(folder, path), 'utf8')]));
};

it('src/ names only own tables in SQL, or declares why', () => {
  const sources = read('src', /\.(?:ts|sql)$/);
  expect([...sources.keys()].some((path) => path.endsWith('.sql'))).toBe(true);
  expect(findForeignTables(sources)).toEqual([]);
});

it('every table of the migrations has an owner', () => {
  const text = [...read('migrations', /\.ts$/).values()].join('\n');
  const tables = new Set(
    Array.from(text.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?"?(?!IF\b)(\w+)/g), ([, name = '']) => name),
  );
  expect(tables.size).toBeGreaterThan(15);
  expect(findUnowned(tables, read('src', /\.ts$/))).toEqual([]);
});

it('a foreign table is refused', () => {
  const sources = new Map([
    ['files/file.entity.ts', "@Entity('files')"],
    ['users/user.entity.ts', "@Entity('users')"],
    ['tasks/report/reports.repository.ts', `'SELECT 1 FROM tasks JOIN users ON true JOIN files ON true'`],
    ['files/sql/add.sql', 'UPDATE storage_usages SET bytes = 0'],
  ]);
  expect(findForeignTables(sources)).toEqual([
    'tasks/report/reports.repository.ts uses files, a table of files: call files, or declare an exception',
    'files/sql/add.sql uses storage_usages, a table of storage: call storage, or declare an exception',
  ]);
});
