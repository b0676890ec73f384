// Measures uploads and downloads, and compares them with a bare Fastify: `npm run build && node bench/files.mjs`
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDatabase, makeFolder, removeFolder, root, Server, start } from '../test/torture/servers.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    large: { type: 'string', default: '256' }, //   MiB of the large file
    small: { type: 'string', default: '1000' }, //  number of small files, 64 KiB each
    rss: { type: 'string', default: '0' }, //       MiB of one upload (and download) during which the server's memory is measured
    encrypted: { type: 'boolean', default: false },
  },
});
const MIB = 1_048_576;
const LARGE = Number(options.large) * MIB;
const SMALL = 65_536;
const COUNT = Number(options.small);
const IN_FLIGHT = 16;
const piece = Buffer.alloc(MIB, 'holdfast ');
let number = 0;
const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });

const folder = makeFolder('bench');
const database = await createDatabase();
const key = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
const ours = await new Server({
  ...{ DATABASE_URL: database.url, DATA_DIR: join(folder, 'ours'), RATE_LIMIT_MODE: 'off' },
  ...(options.encrypted && { FILE_ENCRYPTION_KEYS: key }),
}).ready();
const baseline = start(
  process.execPath,
  [new URL('files.baseline.mjs', import.meta.url).pathname, join(folder, 'baseline')],
  {
    cwd: root,
  },
);
const baselinePort = Number(String((await once(baseline.stdout, 'data'))[0]));
const account = { email: 'bench@example.com', password: 'correct horse battery staple', name: 'B' };
const { accessToken } = (await ours.call('POST', '/api/auth/register', { body: account })).body;
const servers = [
  { name: 'ours', port: ours.port, pid: ours.child.pid, headers: { authorization: `Bearer ${accessToken}` } },
  { name: 'baseline', port: baselinePort, pid: baseline.pid, headers: {} },
];
try {
  await measure();
  if (options.rss !== '0') await watch(Number(options.rss) * MIB);
} finally {
  agent.destroy();
  baseline.kill('SIGKILL');
  await ours.stop();
  removeFolder(folder);
  await database.drop();
}

async function measure() {
  const kinds = {
    [`up, one file of ${options.large} MiB, MiB/s`]: (server) => rate(LARGE / MIB, () => upload(server, LARGE)),
    [`down, the same, MiB/s`]: async (server) => {
      const { id } = await upload(server, LARGE);
      return rate(LARGE / MIB, () => download(server, id));
    },
    [`up, ${COUNT} files of 64 KiB, ${IN_FLIGHT} at a time, files/s`]: (server) =>
      rate(COUNT, () => many(COUNT, () => upload(server, SMALL))),
    [`down, the same, files/s`]: async (server) => {
      const { id } = await upload(server, SMALL);
      return rate(COUNT, () => many(COUNT, () => download(server, id)));
    },
  };
  for (const [kind, run] of Object.entries(kinds)) {
    const found = { ours: [], baseline: [] };
    for (let round = 0; round < Number(options.rounds); round++)
      for (const server of round % 2 === 0 ? servers : servers.toReversed()) found[server.name].push(await run(server));
    const [a, b] = [median(found.ours), median(found.baseline)];
    console.log(
      JSON.stringify({ kind, ours: Math.round(a), baseline: Math.round(b), ratio: Number((a / b).toFixed(2)) }),
    );
  }
}

/** Measures the memory that one large file takes. */
async function watch(size) {
  const [server] = servers;
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024;
  const before = rss();
  let most = before;
  const look = setInterval(() => (most = Math.max(most, rss())), 20);
  const { id } = await upload(server, size);
  const up = Math.round(most - before);
  most = before;
  await download(server, id);
  clearInterval(look);
  console.log(
    JSON.stringify({
      kind: `memory for one file of ${size / MIB} MiB, growth in MiB`,
      up,
      down: Math.round(most - before),
    }),
  );
}

/** Uploads unique content, because equal contents would be stored once. */
function upload({ port, headers }, size) {
  const head = Buffer.from(
    '--b\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\nContent-Type: application/x-bench\r\n\r\n',
  );
  const tail = Buffer.from('\r\n--b--\r\n');
  const first = Buffer.from(`${process.pid}.${number++}`.padEnd(32));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...{ host: '127.0.0.1', port, agent, method: 'POST', path: '/api/files' },
        headers: {
          ...headers,
          'content-type': 'multipart/form-data; boundary=b',
          'content-length': head.length + size + tail.length,
        },
      },
      (response) => {
        let text = '';
        response.on('data', (part) => (text += part));
        response.on('end', () => (response.statusCode === 201 ? resolve(JSON.parse(text)) : reject(new Error(text))));
      },
    ).on('error', reject);
    const send = async () => {
      call.write(Buffer.concat([head, first]));
      for (let left = size - first.length; left > 0; left -= MIB)
        if (!call.write(left < MIB ? piece.subarray(0, left) : piece)) await once(call, 'drain');
      call.end(tail);
    };
    send().catch(reject);
  });
}

function download({ port, headers }, id) {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent, path: `/api/files/${id}/content`, headers }, (response) => {
      response
        .on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`))))
        .resume();
    })
      .on('error', reject)
      .end();
  });
}

async function many(count, work) {
  let left = count;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) await work();
    }),
  );
}

/** Returns `amount` per second. */
async function rate(amount, work) {
  const began = performance.now();
  await work();
  return (amount * 1_000) / (performance.now() - began);
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
