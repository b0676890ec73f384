// Torture test of the cache: several processes write and read the same tasks.
// Run: `npm run build && node test/torture/cache-races.mjs`
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createDatabase, OwnRedis, randomFrom, Server, until } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    store: { type: 'string', default: 'redis' }, //     redis (a server of its own) | memory
    seconds: { type: 'string', default: '60' },
    processes: { type: 'string', default: '2' },
    writers: { type: 'string', default: '8' },
    readers: { type: 'string', default: '32' },
    keys: { type: 'string', default: '50' },
    kills: { type: 'string', default: '0' }, //         SIGKILL and restart of Redis under load
    freezes: { type: 'string', default: '0' }, //       SIGSTOP of Redis for a second
    stops: { type: 'string', default: '0' }, //         SIGSTOP of a server for up to three seconds
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: announces changes only after the commit
  },
});
const number = (name) => Number(options[name]);
const random = randomFrom(number('seed'));
const pick = (list) => list[Math.floor(random() * list.length)];
const began = performance.now();
const counts = { writes: 0, reads: 0, lists: 0, unavailable: 0, kills: 0, freezes: 0, stops: 0 };
const times = { reads: [], writes: [] };
const violations = [];
const violate = (text) => violations.length < 20 && violations.push(text);

const redis = options.store === 'redis' ? await new OwnRedis().start() : null;
const database = await createDatabase();
const env = { DATABASE_URL: database.url, RATE_LIMIT_MODE: 'off', ...(redis && { REDIS_URL: redis.url }) };
const imports = options.unprotected ? [fileURLToPath(new URL('unannounced.mjs', import.meta.url))] : [];
const servers = Array.from({ length: number('processes') }, () => new Server(env, imports));
await Promise.all(servers.map((server) => server.ready()));
try {
  await torture();
} finally {
  await Promise.all(servers.map((server) => server.stop()));
  await redis?.remove();
  await database.drop();
}
const durationS = Math.round((performance.now() - began) / 100) / 10;
const verdict = { id: 'cache-races', store: options.store, seed: number('seed'), counts, ...percentiles(), violations };
console.log(JSON.stringify({ ...verdict, durationS }));
process.exit(violations.length === 0 ? 0 : 1);

async function torture() {
  const [one] = servers;
  const account = { email: 'torture@example.com', password: 'correct horse battery staple', name: 'T' };
  const { accessToken: token } = (await one.call('POST', '/api/auth/register', { body: account })).body;
  const bulk = { tasks: Array.from({ length: number('keys') }, (_, at) => ({ title: `task ${at}` })) };
  const { items } = (await one.call('POST', '/api/tasks/bulk', { token, body: bulk })).body;
  /** The newest version that any process has returned: a later read must not return an older one. */
  const minVersions = new Map(items.map(({ id, version }) => [id, version]));
  const ids = [...minVersions.keys()];
  let going = true;

  const ask = async (method, path, body) => {
    const sent = performance.now();
    const answer = await pick(servers).call(method, path, { token, body });
    times[method === 'GET' ? 'reads' : 'writes'].push(performance.now() - sent);
    // a wait for a connection may end while its server is frozen; no other fault here excuses a 503
    if (answer.status === 503 && number('stops') > 0) counts.unavailable++;
    else if (answer.status >= 500 || answer.status === 0)
      violate(`${method} ${path} answered ${answer.status} ${answer.body?.code}`);
    return answer;
  };
  const learn = ({ id, version }, known, where) => {
    if (version < known) violate(`${where}: version ${version} of ${id} after ${known} had been returned`);
    if (version > minVersions.get(id)) minVersions.set(id, version);
  };
  const write = async () => {
    const id = pick(ids);
    const known = minVersions.get(id);
    const { status, body } = await ask('PATCH', `/api/tasks/${id}`, { title: `changed ${random()}` });
    if (status === 200) learn(body, known + 1, 'PATCH');
    counts.writes++;
    await delay(random() * 20);
  };
  const read = async () => {
    if (random() < 0.1) {
      const known = new Map(minVersions);
      const { status, body } = await ask('GET', '/api/tasks?limit=50');
      if (status === 200) for (const task of body.items) learn(task, known.get(task.id), 'list');
      counts.lists++;
    } else {
      const id = pick(ids);
      const known = minVersions.get(id);
      const { status, body } = await ask('GET', `/api/tasks/${id}`);
      if (status === 200) learn(body, known, 'GET');
      counts.reads++;
    }
  };
  const loop = async (work) => {
    while (going) await work().catch((error) => violate(error.message));
  };
  const workers = [
    ...Array.from({ length: number('writers') }, () => loop(write)),
    ...Array.from({ length: number('readers') }, () => loop(read)),
  ];
  await plague(number('seconds') * 1000);
  going = false;
  await Promise.all(workers);
  await judge(token, minVersions);
}

/** Spreads the faults over the given time; after the last one, the first violation ends the run. */
async function plague(ms) {
  const end = performance.now() + ms;
  const faults = ['kills', 'freezes', 'stops'].flatMap((fault) => Array(number(fault)).fill(fault));
  for (const fault of faults) {
    await delay((ms / (faults.length + 1)) * (0.5 + random() / 2));
    if (fault === 'stops') {
      await stop(pick(servers));
      continue;
    }
    if (fault === 'kills') await redis.kill();
    else redis.child.kill('SIGSTOP');
    await until(async () => (await readiness(servers[0])) === 'degraded', 'readiness to report degraded');
    await delay(random() * 1_000);
    if (fault === 'kills') await redis.start();
    else redis.child.kill('SIGCONT');
    counts[fault]++;
    for (const server of servers)
      await until(async () => (await readiness(server)) === 'ok', 'readiness to be ok again');
  }
  while (violations.length === 0 && performance.now() < end) await delay(100);
}

/** Freezes a server. When it wakes up after the others gave up waiting for it, it must not serve its cached values. */
async function stop(server) {
  server.child.kill('SIGSTOP');
  await delay(500 + random() * 2_500);
  server.child.kill('SIGCONT');
  counts.stops++;
}

async function readiness(server) {
  const { status, body } = await server.call('GET', '/health/ready');
  if (status !== 200) violate(`/health/ready answered ${status}`);
  return body.status;
}

/** Checks that every layer of every process has the last version after the writers stopped. */
async function judge(token, minVersions) {
  for (const server of servers)
    for (let round = 0; round < 3; round++) {
      const { body } = await server.call('GET', '/api/tasks?limit=50', { token });
      for (const { id, version } of body.items)
        if (version !== minVersions.get(id))
          violate(`at rest: the list has version ${version} of ${id}, not ${minVersions.get(id)}`);
      for (const [id, version] of minVersions) {
        const { body: task } = await server.call('GET', `/api/tasks/${id}`, { token });
        if (task.version !== version) violate(`at rest: version ${task.version} of ${id}, not ${version}`);
      }
    }
}

function percentiles() {
  const of = (list) => {
    list.sort((a, b) => a - b);
    const at = (share) => Math.round((list[Math.floor(share * (list.length - 1))] ?? 0) * 10) / 10;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  };
  return { readMs: of(times.reads), writeMs: of(times.writes) };
}
