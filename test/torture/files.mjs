// Torture test of files: kills servers during uploads and deletions, with clients that disconnect.
// Run: `npm run build && node test/torture/files.mjs`
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { createDatabase, makeDisk, makeFolder, randomFrom, removeFolder, Server, until } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' }, // SIGKILLs of a server with uploads in flight
    processes: { type: 'string', default: '2' },
    clients: { type: 'string', default: '8' },
    largest: { type: 'string', default: '4000000' }, // bytes; sizes are spread evenly over the orders of magnitude up to this
    encrypted: { type: 'boolean', default: false },
    disk: { type: 'string', default: '0' }, // MiB of a separate disk, which becomes full (needs root); 0: the disk of the machine
    ranges: { type: 'string', default: '10000' }, // ranges that are read back at the end, besides all complete files
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: writes bytes before any row knows of them
  },
});
const number = (name) => Number(options[name]);
const random = randomFrom(number('seed'));
const pick = (list) => list[Math.floor(random() * list.length)];
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const began = performance.now();
const counts = {
  ...{ kills: 0, sent: 0, acknowledged: 0, brokenOff: 0, full: 0, inDoubt: 0, deleted: 0, tidied: 0, swept: 0 },
  ...{ read: 0, ranges: 0 },
};
const violations = [];
const violate = (text) => violations.length < 20 && violations.push(text);

/** Acknowledged and not deleted: id → hash. */
const living = new Map();
/** Uploads and deletions that were sent completely, but got no response. */
const doubtful = { uploads: new Map(), deletes: new Set() };
const gone = new Set();

const UNFINISHED = `IN ('QUEUED', 'RUNNING', 'RETRYING')`;
const dataDir = options.disk === '0' ? makeFolder('files') : makeDisk('files', number('disk'));
const database = await createDatabase();
const key = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
const env = {
  ...{ DATABASE_URL: database.url, DATA_DIR: dataDir, RATE_LIMIT_MODE: 'off', FILE_LEASE: '1500', JOB_LEASE: '1500' },
  ...{ ACCESS_TOKEN_TTL: '86400' },
  ...(options.encrypted && { FILE_ENCRYPTION_KEYS: key }),
};
const imports = options.unprotected ? [fileURLToPath(new URL('files.unleased.mjs', import.meta.url))] : [];
const servers = Array.from({ length: number('processes') }, () => new Server(env, imports));
await Promise.all(servers.map((server) => server.ready()));
const inFlight = new Map(servers.map((_, place) => [place, 0]));
let token;
try {
  await logIn();
  await torture();
  await judge();
} finally {
  for (const server of servers) server.child.kill('SIGKILL');
  await Promise.all(servers.map((server) => server.child.ended));
  removeFolder(dataDir);
  await database.drop();
}
const durationS = Math.round((performance.now() - began) / 100) / 10;
console.log(
  JSON.stringify({ id: 'files', seed: number('seed'), encrypted: options.encrypted, counts, violations, durationS }),
);
process.exit(violations.length === 0 ? 0 : 1);

async function logIn() {
  const login = { email: 'torture@example.com', password: 'correct horse battery staple' };
  await servers[0].call('POST', '/api/auth/register', { body: { ...login, name: 'T' } });
  await onDatabase(`UPDATE users SET role = 'ADMIN'`);
  token = (await servers[0].call('POST', '/api/auth/login', { body: login })).body.accessToken;
}

async function torture() {
  let going = true;
  const client = async () => {
    while (going) await (random() < 0.25 && living.size > 0 ? deleteOne() : uploadOne());
  };
  const upkeep = async (body, kind, pauseMs) => {
    for (; going; await delay(pauseMs))
      if ((await onDatabase(`SELECT 1 FROM jobs WHERE type = '${body.type}' AND status ${UNFINISHED}`)).length === 0)
        await call('POST', '/api/jobs', { body }).then(
          () => counts[kind]++,
          () => undefined,
        );
  };
  const work = [
    ...Array.from({ length: number('clients') }, () => client()),
    upkeep({ type: 'files.tidy' }, 'tidied', 300),
    upkeep({ type: 'files.sweep', payload: { minAgeHours: 1 } }, 'swept', 2_000),
  ];
  for (; counts.kills < number('kills');) await killOne();
  going = false;
  await Promise.all(work);
}

/** Kills a server with uploads in flight and half-written bytes, checked while it is frozen: other kills prove nothing. */
async function killOne() {
  const place = Math.floor(random() * servers.length);
  const { child } = servers[place];
  await delay(random() * 400);
  await until(() => {
    child.kill('SIGSTOP');
    if (inFlight.get(place) > 0 && bytesBeingWritten() > 0) return true;
    child.kill('SIGCONT');
    return false;
  }, 'an upload in flight');
  child.kill('SIGKILL');
  counts.kills++;
  await child.ended;
  servers[place].agent.destroy();
  servers[place] = await new Server(env, imports).ready();
}

function bytesBeingWritten() {
  const folder = join(dataDir, 'files', 'incoming');
  return existsSync(folder) ? readdirSync(folder).length : 0;
}

async function uploadOne() {
  const size = Math.floor(number('largest') ** random());
  const bytes = Buffer.alloc(size, random() < 0.2 ? `twin ${Math.floor(random() * 5)}` : `${random()} `);
  const place = Math.floor(random() * servers.length);
  counts.sent++;
  inFlight.set(place, inFlight.get(place) + 1);
  try {
    const { whole, answer } = await send(servers[place], bytes);
    if (answer?.status === 201) {
      counts.acknowledged++;
      if (answer.body.sha256 !== sha256(bytes)) violate(`${answer.body.id} was acknowledged with another hash`);
      living.set(answer.body.id, answer.body.sha256);
    } else if (answer) {
      if (answer.status === 507 && number('disk') > 0) counts.full++;
      else if (answer.status !== 503) violate(`an upload answered ${answer.status}`);
      return;
    }
    if (whole) doubtful.uploads.set(sha256(bytes), (doubtful.uploads.get(sha256(bytes)) ?? 0) + 1);
    await delay(20); // a dead server refuses immediately
  } finally {
    inFlight.set(place, inFlight.get(place) - 1);
  }
}

/** Sends the form in chunks with pauses; one in ten disconnects. `answer` is undefined without a response. */
async function send(server, bytes) {
  const boundary = 'torture';
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\nContent-Type: application/x-torture\r\n\r\n`;
  const tail = `\r\n--${boundary}--\r\n`;
  const cutAt = random() < 0.1 ? Math.floor(random() * bytes.length) : Infinity;
  let whole = false;
  const answer = await new Promise((resolve) => {
    const call = request(
      {
        ...{ host: '127.0.0.1', port: server.port, method: 'POST', path: '/api/files', agent: false },
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          'content-length': head.length + bytes.length + tail.length,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
        response.on('error', () => resolve(undefined)).on('aborted', () => resolve(undefined));
      },
    );
    call.on('error', () => resolve(undefined)).on('close', () => resolve(undefined));
    const write = async () => {
      call.write(head);
      for (let at = 0; at < bytes.length && !call.destroyed; at += 262_144) {
        if (at + 262_144 > cutAt) {
          counts.brokenOff++;
          return void call.destroy();
        }
        call.write(bytes.subarray(at, at + 262_144));
        await delay(random() * 15);
      }
      whole = !call.destroyed;
      call.end(tail);
    };
    void write();
  });
  return { whole, answer };
}

async function deleteOne() {
  const id = pick([...living.keys()]);
  living.delete(id);
  doubtful.deletes.add(id);
  const answer = await call('DELETE', `/api/files/${id}`).catch(() => undefined);
  if (answer?.status === 204) {
    doubtful.deletes.delete(id);
    gone.add(id);
    counts.deleted++;
  } else if (answer && answer.status !== 503) violate(`a delete answered ${answer.status}`);
}

function call(method, path, more = {}) {
  return pick(servers).call(method, path, { token, ...more });
}

/** Compares the stored files with the acknowledged ones, when nothing is running. */
async function judge() {
  const [server] = servers;
  const job = async (type, payload = {}) => {
    const { body } = await server.call('POST', '/api/jobs', { token, body: { type, payload } });
    return until(
      async () => {
        const { body: now } = await server.call('GET', `/api/jobs/${body.id}`, { token });
        return ['SUCCEEDED', 'FAILED'].includes(now.status) && now;
      },
      type,
      120_000,
    );
  };
  const busy = `SELECT 1 FROM jobs WHERE status ${UNFINISHED}`;
  await until(async () => (await onDatabase(busy)).length === 0, 'the jobs', 300_000);
  await delay(2_000); // the leases of killed writers have expired then
  await job('files.tidy');
  const sweep = await job('files.sweep', { minAgeHours: 0, dryRun: true });
  for (const [what, n] of Object.entries(sweep.result ?? {}))
    if (typeof n === 'number' && n > 0) violate(`the sweep finds ${n} ${what}`);

  const rows = await onDatabase('SELECT uuid, sha256, deleted_at FROM files');
  const visible = new Map(rows.filter((row) => !row.deleted_at).map((row) => [row.uuid, row.sha256]));
  for (const [id, hash] of living) if (visible.get(id) !== hash) violate(`${id} was acknowledged and is not there`);
  for (const id of gone) if (visible.has(id)) violate(`${id} was deleted and is there`);
  for (const [id, hash] of visible) {
    if (living.has(id) || doubtful.deletes.has(id)) continue;
    const left = doubtful.uploads.get(hash) ?? 0;
    if (left === 0) violate(`${id} is there and was neither acknowledged nor sent whole`);
    doubtful.uploads.set(hash, left - 1);
    counts.inDoubt++;
  }
  const each = Math.ceil(number('ranges') / Math.max(1, visible.size));
  for (const [id, hash] of visible) await readBack(server, id, hash, Math.min(each, number('ranges') - counts.ranges));
  const keys = (await onDatabase('SELECT storage_key FROM blobs')).map((row) => row.storage_key).sort();
  const stored = readdirSync(join(dataDir, 'files'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const names = stored.map((entry) => entry.name).sort();
  const known = new Set(keys);
  for (const name of names) if (!known.has(name)) violate(`${name} is on the disk and no row knows it`);
  if (names.length !== keys.length) violate(`${keys.length} blobs, ${names.length} files on the disk`);
  const leases = await onDatabase('SELECT reason FROM storage_leases');
  if (leases.length > 0) violate(`${leases.length} leases are left: ${leases[0].reason}`);
}

/** Checks the complete file by its hash, and random ranges of it. */
async function readBack(server, id, hash, ranges) {
  const whole = await content(server, id);
  counts.read++;
  if (whole.status !== 200 || sha256(whole.bytes) !== hash) return violate(`${id} reads back wrong (${whole.status})`);
  for (let left = ranges; left > 0 && whole.bytes.length > 0; left--, counts.ranges++) {
    const first = Math.floor(random() * whole.bytes.length);
    const last = first + Math.floor(random() * (whole.bytes.length - first));
    const part = await content(server, id, { range: `bytes=${first}-${last}` });
    const isRight = part.status === 206 && part.bytes.equals(whole.bytes.subarray(first, last + 1));
    if (!isRight) violate(`${id} reads back wrong from ${first} to ${last} (${part.status})`);
  }
}

function content({ port, agent }, id, headers = {}) {
  const path = `/api/files/${id}/content`;
  const call = { host: '127.0.0.1', port, agent, path, headers: { authorization: `Bearer ${token}`, ...headers } };
  return new Promise((resolve, reject) => {
    request(call, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, bytes: Buffer.concat(chunks) }));
    })
      .on('error', reject)
      .end();
  });
}

async function onDatabase(sql) {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
