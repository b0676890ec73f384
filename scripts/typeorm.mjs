// The TypeORM CLI: `typeorm.mjs generate add-due-at`, `typeorm.mjs run`.
// A checkout uses its TypeScript sources, a built image dist/.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled } from './install.mjs';
import { ROOT } from './step.mjs';

const [command, ...args] = process.argv.slice(2);
const checkout = existsSync(join(ROOT, 'src'));
const source = 'src/shared/database/data-source';

/** Checks the name and returns the path. TypeORM adds a timestamp before the file name and after the class name. */
function pathOf(name) {
  if (/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) return `migrations/${name}`;
  console.error(`Name the migration by what it does, in kebab-case: npm run migration:${command} add-due-at-to-tasks`);
  process.exit(1);
}

function node(...argv) {
  const { status } = spawnSync(process.execPath, argv, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (checkout) await ensureInstalled();
const loader = checkout ? ['--import', '@swc-node/register/esm-register'] : [];
const dataSource = ['-d', checkout ? `${source}.ts` : `dist/${source}.js`];
const makesFile = command === 'create' || command === 'generate';
node(
  ...loader,
  'node_modules/typeorm/cli.js',
  `migration:${command}`,
  ...(makesFile ? [pathOf(args.shift() ?? '')] : []),
  ...(command === 'create' ? [] : dataSource),
  ...args,
);
if (makesFile) polish();

/** Adapts TypeORM's output to the conventions: a first line that asks for the purpose, type imports, no empty function. */
function polish() {
  const file = join(ROOT, 'migrations', readdirSync(join(ROOT, 'migrations')).sort().at(-1));
  const text = readFileSync(file, 'utf8')
    .replace(/^import \{/m, 'import type {')
    .replace(
      /(async (?:up|down)\(queryRunner: QueryRunner\): Promise<void> \{)\s*\}/g,
      '$1 await queryRunner.query(``); }',
    );
  writeFileSync(file, text.startsWith('//') ? text : `// Why this migration exists, in one line.\n${text}`);
  node('node_modules/prettier/bin/prettier.cjs', '--write', '--log-level', 'warn', 'migrations');
}
