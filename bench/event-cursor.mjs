// Compares two ways to give each owner's events a cursor without holes: a counter row per owner, and a sequencer behind the
// snapshot horizon. Both write a changed row and its event in one statement.
//   DATABASE_URL=postgres://… node bench/event-cursor.mjs [--seconds 3] [--rounds 5] [--connections 50]
// Reports changes per second, their p99, and CPU µs of PostgreSQL and of this process per change (Linux: all PostgreSQL
// processes of the machine count, so nothing else may use them). `none`: the change without an event. The database is
// created and dropped.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '50' },
  },
});
const CONNECTIONS = Number(options.connections);
const ROWS = 200;
/** The sequencer numbers what was committed this often, milliseconds. */
const NUMBER_EVERY_MS = 20;
const CLOCK_TICK_US = 10_000;

const CHANGE = `UPDATE items SET title = $2, version = version + 1, updated_at = now() WHERE id = $1`;
const DATA = `jsonb_build_object('title', title, 'version', version)`;
const WAYS = {
  none: CHANGE,
  counter: `
    WITH changed AS (${CHANGE} RETURNING *), counted AS (
      UPDATE counters SET sequence = sequence + 1 FROM changed WHERE counters.owner_id = changed.owner_id RETURNING sequence
    )
    INSERT INTO counted_events (owner_id, sequence, name, data)
    SELECT owner_id, sequence, 'item.updated', ${DATA} FROM changed, counted`,
  sequencer: `
    WITH changed AS (${CHANGE} RETURNING *)
    INSERT INTO new_events (owner_id, name, data) SELECT owner_id, 'item.updated', ${DATA} FROM changed`,
};
/** Order: `id` comes from a sequence after the row's lock was taken, so it follows the order of changes of one row. */
const NUMBER = `
  WITH committed AS (
    DELETE FROM new_events WHERE transaction < pg_snapshot_xmin(pg_current_snapshot()) RETURNING *
  ), grown AS (
    UPDATE counters SET sequence = sequence + added FROM (SELECT owner_id, count(*) AS added FROM committed GROUP BY 1) AS a
    WHERE counters.owner_id = a.owner_id RETURNING counters.owner_id, sequence - added AS before
  )
  INSERT INTO numbered_events (owner_id, sequence, name, data)
  SELECT owner_id, before + row_number() OVER (PARTITION BY owner_id ORDER BY id), name, data
  FROM committed JOIN grown USING (owner_id)`;
const SCHEMA = `
  CREATE TABLE items (id bigint PRIMARY KEY, owner_id bigint NOT NULL, title text, version integer DEFAULT 1, updated_at timestamptz);
  CREATE TABLE counters (owner_id bigint PRIMARY KEY, sequence bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50);
  CREATE TABLE counted_events (owner_id bigint, sequence bigint, at timestamptz DEFAULT now(), name text, data jsonb, PRIMARY KEY (owner_id, sequence));
  CREATE TABLE numbered_events (LIKE counted_events INCLUDING ALL);
  CREATE TABLE new_events (id bigint GENERATED ALWAYS AS IDENTITY, transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    owner_id bigint, at timestamptz DEFAULT now(), name text, data jsonb)`;

/** CPU time of all PostgreSQL processes, µs. */
function postgresCpu() {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      if (!stat.includes('(postgres)')) continue;
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]); // utime, stime
    } catch {
      // the process has ended
    }
  return ticks * CLOCK_TICK_US;
}

async function measure(clients, background, way, owners) {
  await background.query(`TRUNCATE items, counters, counted_events, numbered_events, new_events RESTART IDENTITY`);
  await background.query(`INSERT INTO counters (owner_id) SELECT generate_series(0, ${owners - 1})`);
  await background.query(
    `INSERT INTO items (id, owner_id) SELECT i, i % ${owners} FROM generate_series(0, ${ROWS - 1}) i`,
  );
  const end = performance.now() + Number(options.seconds) * 1_000;
  const times = [];
  const before = { postgres: postgresCpu(), own: process.cpuUsage() };
  const work = clients.map(async (client) => {
    while (performance.now() < end) {
      const began = performance.now();
      const values = [Math.floor(Math.random() * ROWS), `title ${times.length}`];
      await client.query({ name: way, text: WAYS[way], values });
      times.push(performance.now() - began);
    }
  });
  let isOver = false;
  const numbering = (async () => {
    while (way === 'sequencer' && !isOver) {
      await background.query({ name: 'number', text: NUMBER });
      await delay(NUMBER_EVERY_MS);
    }
  })();
  await Promise.all(work);
  isOver = true;
  await numbering;
  const own = process.cpuUsage(before.own);
  times.sort((a, b) => a - b);
  return {
    perSecond: times.length / Number(options.seconds),
    p99: times[Math.floor(times.length * 0.99)],
    postgresUs: (postgresCpu() - before.postgres) / times.length,
    ownUs: (own.user + own.system) / times.length,
  };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const server = new URL(process.env.DATABASE_URL);
const name = `bench_${randomBytes(6).toString('hex')}`;
const admin = new pg.Client({ connectionString: server.href });
await admin.connect();
await admin.query(`CREATE DATABASE ${name}`);
const database = new URL(server.href);
database.pathname = name;
const clients = Array.from({ length: CONNECTIONS + 1 }, () => new pg.Client({ connectionString: database.href }));
try {
  await Promise.all(clients.map((client) => client.connect()));
  const [background, ...writers] = clients;
  await background.query(SCHEMA);
  const results = new Map();
  for (let round = 0; round < Number(options.rounds); round++)
    for (const owners of [1, 100])
      for (const way of Object.keys(WAYS)) {
        const key = `${way}, ${owners} owner${owners > 1 ? 's' : ''}`;
        results.set(key, [...(results.get(key) ?? []), await measure(writers, background, way, owners)]);
      }
  for (const [key, runs] of results) {
    const of = (member) => median(runs.map((run) => run[member])).toFixed(member === 'p99' ? 1 : 0);
    console.log(
      `${key.padEnd(24)} ${of('perSecond').padStart(6)}/s  p99 ${of('p99').padStart(6)} ms  PostgreSQL ${of('postgresUs').padStart(4)} µs  client ${of('ownUs').padStart(4)} µs`,
    );
  }
} finally {
  await Promise.all(clients.map((client) => client.end()));
  await admin.query(`DROP DATABASE ${name}`);
  await admin.end();
}
