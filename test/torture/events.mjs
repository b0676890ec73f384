// Torture test of the event log: writers on several processes, kills of servers and crashes of PostgreSQL; readers follow cursors.
// Run: `npm run build && node test/torture/events.mjs`
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { OwnPostgres } from './jobs.postgres.mjs';
import { randomFrom, Server, until } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' }, //  ends after about so many
    processes: { type: 'string', default: '2' },
    owners: { type: 'string', default: '100' }, //     and one hot owner, of whom every second change is
    writers: { type: 'string', default: '16' },
    readers: { type: 'string', default: '8' }, //      follow the hot owner and some others
    kills: { type: 'string', default: '5' }, //        SIGKILL of a server under load
    crashes: { type: 'string', default: '3' }, //      SIGQUIT of PostgreSQL, which is an immediate stop
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: a cursor over the ids of an identity column
  },
});
const number = (name) => Number(options[name]);
const random = randomFrom(number('seed'));
const pick = (list) => list[Math.floor(random() * list.length)];
const began = performance.now();
const counts = { acknowledged: 0, events: 0, kills: 0, crashes: 0 };
const violations = [];
const violate = (text) => violations.length < 20 && violations.push(text);

/** Follows the log of an owner by its cursor. */
class Reader {
  cursor = '0';
  seen = [];

  constructor(owner) {
    this.owner = owner;
  }

  /** Reads one page and returns its length. A hole that fills later shows as a number that is not the next one. */
  async next() {
    const [table, column] = options.unprotected ? ['naive_events', 'id'] : ['event_log', 'sequence'];
    const rows = await query(
      `SELECT ${column} AS place, subject_id AS task, (data -> 'after' ->> 'version')::integer AS version
       FROM ${table} WHERE owner_id = $1 AND ${column} > $2 ORDER BY ${column} LIMIT 500`,
      [this.owner.key, this.cursor],
    );
    for (const { place, task, version } of rows) {
      if (!options.unprotected && BigInt(place) !== BigInt(this.cursor) + 1n)
        violate(`after ${this.cursor} the reader of ${this.owner.key} read ${place}`);
      this.cursor = place;
      if (version !== null) this.seen.push({ task, version });
    }
    if (rows.length === 0) await delay(5);
    return rows.length;
  }
}

const postgres = await new OwnPostgres().start();
const pool = new pg.Pool({ connectionString: postgres.url, max: 12, connectionTimeoutMillis: 2_000 });
pool.on('error', () => undefined); // a crash of PostgreSQL
const env = {
  ...{ DATABASE_URL: postgres.url, RATE_LIMIT_MODE: 'off', TASK_QUOTA: '10000000' },
  EVENT_RETENTION_COUNT: '100000000',
};
const startServer = () => new Server(env).ready();
const servers = [await startServer()];
while (servers.length < number('processes')) servers.push(await startServer());
try {
  await torture();
} finally {
  await Promise.all(servers.map((server) => server.stop()));
  await pool.end();
  await postgres.drop();
}
const durationS = Math.round((performance.now() - began) / 100) / 10;
console.log(JSON.stringify({ id: 'events', seed: number('seed'), counts, violations, durationS }));
process.exit(violations.length === 0 ? 0 : 1);

/** Runs one query, again until PostgreSQL is there. */
async function query(text, values) {
  for (;;)
    try {
      return (await pool.query(text, values)).rows;
    } catch (error) {
      if (!/connect|terminat|starting up|shutting down|timeout|ECONN|recovery/i.test(error.message)) throw error;
      await delay(100);
    }
}

async function torture() {
  if (options.unprotected)
    await query(`
      CREATE TABLE naive_events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner_id bigint, subject_id uuid, data json);
      CREATE FUNCTION copy_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO naive_events (owner_id, subject_id, data) VALUES (NEW.owner_id, NEW.subject_id, NEW.data); RETURN NULL; END $$;
      CREATE TRIGGER copy AFTER INSERT ON new_events FOR EACH ROW WHEN (NEW.name LIKE 'task.%') EXECUTE FUNCTION copy_event()`);
  const owners = [];
  for (let n = 0; n <= number('owners'); n++) {
    const body = { email: `owner${n}@example.com`, password: 'correct horse battery staple', name: 'O' };
    const { accessToken: token, user } = (await servers[0].call('POST', '/api/auth/register', { body })).body;
    const [{ id: key }] = await query('SELECT id FROM users WHERE uuid = $1', [user.id]);
    owners.push({ token, key, tasks: [] });
  }
  const [hot] = owners;
  let going = true;
  const write = async () => {
    const owner = random() < 0.5 ? hot : pick(owners);
    const task = owner.tasks.length >= 20 ? pick(owner.tasks) : undefined;
    const [method, path] = task ? ['PATCH', `/api/tasks/${task.id}`] : ['POST', '/api/tasks'];
    const answer = await pick(servers).call(method, path, { token: owner.token, body: { title: `title ${random()}` } });
    if (answer.status >= 300) return delay(50); // a server or PostgreSQL is away
    counts.acknowledged++;
    if (task) task.version = Math.max(task.version, answer.body.version);
    else owner.tasks.push({ id: answer.body.id, version: 1 });
  };
  const loop = async (work) => {
    while (going) await work().catch(() => delay(50)); // the connection was cut
  };
  const writers = Array.from({ length: number('writers') }, () => loop(write));
  const readers = Array.from({ length: number('readers') }, (_, at) => new Reader(owners[at % owners.length]));
  const reading = readers.map((reader) => loop(() => reader.next()));
  await plague();
  await until(() => counts.acknowledged >= number('events') || violations.length > 0, 'the events', 3_600_000);
  going = false;
  await Promise.all([...writers, ...reading]);
  await until(async () => (await query('SELECT 1 FROM new_events LIMIT 1')).length === 0, 'the numbering');
  for (const reader of readers) while ((await reader.next()) > 0);
  await judge(owners, readers);
}

/** Spreads the faults over the run, by its number of acknowledged changes. */
async function plague() {
  const faults = ['kills', 'crashes'].flatMap((fault) => Array(number(fault)).fill(fault));
  for (const [index, fault] of faults.entries()) {
    const due = (number('events') * (index + 1)) / (faults.length + 1);
    await until(() => counts.acknowledged >= due || violations.length > 0, `the change ${due}`, 3_600_000);
    if (fault === 'kills') {
      const at = Math.floor(random() * servers.length);
      servers[at].child.kill('SIGKILL');
      await servers[at].child.ended;
      servers[at] = await startServer();
    } else {
      await postgres.crash('SIGQUIT');
      await postgres.rise();
    }
    counts[fault]++;
  }
}

/** Compares what the readers saw, and the log of all owners, with the rows. */
async function judge(owners, readers) {
  const rows = await query('SELECT uuid AS id, owner_id AS owner, version FROM tasks');
  const versions = new Map(rows.map(({ id, version }) => [id, version]));
  for (const { tasks } of owners)
    for (const { id, version } of tasks)
      if (!(versions.get(id) >= version)) violate(`version ${version} of ${id} was acknowledged, and is lost`);
  const expectAll = (what, seen, ids) => {
    const last = new Map();
    for (const { task, version } of seen) {
      const before = last.get(task) ?? 0;
      if (version !== before + 1) violate(`${what}: version ${version} of ${task} after ${before}`);
      last.set(task, version);
    }
    for (const id of ids)
      if (last.get(id) !== versions.get(id)) violate(`${what}: ${last.get(id)} of ${versions.get(id)} events of ${id}`);
  };
  for (const { owner, seen } of readers)
    expectAll('a reader', seen, rows.filter((row) => row.owner === owner.key).map(({ id }) => id)); // prettier-ignore
  if (options.unprotected) return;
  const logged = await query(
    `SELECT subject_id AS task, (data -> 'after' ->> 'version')::integer AS version FROM event_log WHERE name LIKE 'task.%'
     ORDER BY owner_id, sequence`,
  );
  counts.events = logged.length;
  expectAll('the log', logged, versions.keys());
  const [{ holes }] = await query(
    `SELECT count(*)::integer AS holes FROM (SELECT max(sequence) - count(*) AS missing FROM event_log GROUP BY owner_id) AS o
     WHERE missing <> 0`,
  );
  if (holes > 0) violate(`the logs of ${holes} owners have holes`);
}
