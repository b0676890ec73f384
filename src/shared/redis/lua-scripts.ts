// Loads the project's Lua files, `<name>-<number of keys, or n>.lua`; each contains one atomic operation.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface LuaScript {
  name: string;
  /** `n`: each call may have another number. */
  numberOfKeys: number | 'n';
  lua: string;
}

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'lua');
const FILE = /^([a-z-]+)-(\d|n)\.lua$/;

/** Throws when a file name does not contain the number of keys. */
export function readLuaScripts(): LuaScript[] {
  return readdirSync(FOLDER).map((file) => {
    const [, name, keys] = FILE.exec(file) ?? [];
    if (!name || !keys) throw new Error(`${file} must be called <name>-<number of keys, or n>.lua`);
    return { name, numberOfKeys: keys === 'n' ? keys : Number(keys), lua: readFileSync(join(FOLDER, file), 'utf8') };
  });
}
