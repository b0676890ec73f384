// Compiles src/ and migrations/ into dist/ when an input changed, and removes outputs without source.
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder, isProgram, ROOT, run, step } from './step.mjs';

export async function ensureBuilt() {
  if (!existsSync(join(ROOT, 'src'))) return; // built images have no sources
  await step({
    title: 'Build: compiling TypeScript',
    inputs: ['src', 'migrations', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'yarn.lock'],
    stamp: 'dist/.built',
    work: async () => {
      await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
      for (const file of filesUnder('src'))
        if (/\.(lua|sql|mjs)$/.test(file)) cpSync(join(ROOT, file), join(ROOT, 'dist', file));
      ['dist/src', 'dist/migrations'].flatMap(filesUnder).forEach(removeOrphan);
    },
  });
}

/** tsc never deletes outputs, and a deleted migration that stays in dist/ would be applied. */
function removeOrphan(file) {
  const source = file.replace(/^dist./, '').replace(/\.js(\.map)?$/, '.ts');
  if (!existsSync(join(ROOT, source))) rmSync(join(ROOT, file));
}

if (isProgram(import.meta.url)) await ensureBuilt();
