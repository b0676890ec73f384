// Table ownership as a pure function: SQL names the tables of its own area, and exceptions are declared with their reason.

/** The owners of tables without an entity. The other tables belong to the area whose entity declares them. */
const OWNERS: Readonly<Record<string, string>> = {
  audit_positions: 'shared',
  audit_seals: 'audit',
  encryption_keys: 'storage',
  event_heads: 'shared',
  event_log: 'shared',
  job_counts: 'workers',
  new_events: 'shared',
  realtime_tickets: 'realtime',
  schedules: 'workers',
  snowflake_lease: 'shared',
  storage_leases: 'storage',
  storage_usages: 'storage',
  task_counts: 'tasks',
  task_texts: 'tasks',
  thumbnails: 'files',
  upload_locks: 'files',
  upload_segments: 'files',
  uploads: 'files',
};

interface Exception {
  /** Start of the path. */
  path: string;
  tables: readonly string[];
  why: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    path: 'shared/events/sql/number.sql',
    tables: ['audit_log'],
    why: 'one statement moves recorded events to both logs',
  },
  { path: 'audit/seals/sql/', tables: ['audit_positions'], why: 'the head of the log, which the sequencer moves' },
  { path: 'workers/engine/sql/', tables: ['new_events'], why: 'the end of jobs and its event are one statement' },
  { path: 'auth/sessions.repository.ts', tables: ['users'], why: 'a session is valid while its user exists' },
  { path: 'tasks/report/reports.repository.ts', tables: ['users'], why: 'a report shows the name of its owner' },
  {
    path: 'files/files.repository.ts',
    tables: ['users', 'buckets'],
    why: 'others may read a file of a public bucket while its owner exists',
  },
  { path: 'files/thumbnails/', tables: ['blobs', 'storage_leases'], why: 'a thumbnail refers to a blob' },
  { path: 'files/uploads/', tables: ['storage_leases'], why: 'the end of an upload ends its lease in one statement' },
  {
    path: 'files/upkeep/',
    tables: ['blobs', 'storage_usages', 'storage_leases'],
    why: 'upkeep compares what is stored with what refers to it',
  },
  {
    path: 'storage/blobs/blobs.repository.ts',
    tables: ['files', 'thumbnails'],
    why: 'a blob without references can be deleted',
  },
  { path: 'storage/buckets/buckets.repository.ts', tables: ['files'], why: 'only an empty bucket can be deleted' },
];

const NAMED = /\b(?:FROM|JOIN|INTO|UPDATE|ONLY|USING)\s+(?:LATERAL\s+)?"?([a-z_]+)\b/g;

/** Returns the area that owns each table: it alone changes the rows, and may change the columns. */
function ownersIn(sources: ReadonlyMap<string, string>): Map<string, string> {
  const owners = new Map(Object.entries(OWNERS));
  for (const [path, text] of sources)
    for (const [, table = ''] of text.matchAll(/@Entity\('(\w+)'\)/g)) owners.set(table, areaOf(path));
  return owners;
}

const areaOf = (path: string): string => path.split('/')[0] as string;

/** Returns the faults of sources (TypeScript and SQL) by their paths relative to src/. */
export function findForeignTables(sources: ReadonlyMap<string, string>): string[] {
  const owners = ownersIn(sources);
  const used = new Set<Exception>();
  const faults: string[] = [];
  for (const [path, text] of sources) {
    const tables = new Set(Array.from(text.matchAll(NAMED), ([, name = '']) => name));
    for (const table of tables) {
      const owner = owners.get(table);
      if (owner === undefined || owner === areaOf(path)) continue;
      const exception = EXCEPTIONS.find((one) => path.startsWith(one.path) && one.tables.includes(table));
      if (exception) used.add(exception);
      else faults.push(`${path} uses ${table}, a table of ${owner}: call ${owner}, or declare an exception`);
    }
  }
  for (const exception of EXCEPTIONS)
    if (!used.has(exception) && [...sources.keys()].some((path) => path.startsWith(exception.path)))
      faults.push(`${exception.path} needs no exception`);
  return faults;
}

/** Returns the tables that have no owner. */
export function findUnowned(tables: Iterable<string>, sources: ReadonlyMap<string, string>): string[] {
  const owners = ownersIn(sources);
  return [...tables].filter((table) => !owners.has(table));
}
