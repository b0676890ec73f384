// Loads SQL statements from `sql/<name>.sql` beside the repository that uses them, as named prepared statements.
import { readFileSync } from 'node:fs';
import type { QueryConfig } from 'pg';

/** Use: `statement = sqlFiles(import.meta.url, 'jobs')`, then `statement('claim', [queue, 10])`. Reads each file once. */
export function sqlFiles(askedFrom: string, prefix: string): (name: string, values: unknown[]) => QueryConfig {
  const texts = new Map<string, string>();
  return (name, values) => {
    let text = texts.get(name);
    if (text === undefined) {
      text = readFileSync(new URL(`sql/${name}.sql`, askedFrom), 'utf8');
      texts.set(name, text);
    }
    return { name: `${prefix}-${name}`, text, values };
  };
}
