// Torture test of hostile file names and types, which must not become paths, headers or scripts.
// Run: `npm run build && node test/torture/file-names.mjs`
import { Buffer } from 'node:buffer';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { homedir, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { createDatabase, makeFolder, randomFrom, removeFolder, Server } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' }, // number of uploads, by form and by tus
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: trusts names and types
  },
});
const random = randomFrom(Number(options.seed));
const pick = (list) => list[Math.floor(random() * list.length)];
const began = performance.now();
const counts = { sent: 0, kept: 0, refused: 0, served: 0, renamed: 0 };
const violations = [];
const violate = (text) => violations.length < 20 && violations.push(text);

const DECOY = 'holdfast-decoy';
const PATHS = ['../', '../'.repeat(12), '..\\', '/', '//', '/tmp/', '~/', 'C:\\', '\\\\?\\C:\\', '\\\\host\\share\\', 'file:///tmp/', './', '....//', '..;/', '%2e%2e%2f', '..%c0%af', '..%5c', '.git/']; // prettier-ignore
const BYTES = ['\xef\xbc\x8f', '\xef\xbc\xbc', '\xe2\x80\xa5\xef\xbc\x8f', '\xef\xbc\x82', '\xe2\x84\x80', '\xc0\xae\xc0\xae/', '\xed\xa0\x80', '\xff\xfe', '\xe2\x80\xae', '\xe2\x80\x8f', '\xef\xbb\xbf', '\xf0\x9f\x92\xa9', '\xcc\x81'.repeat(40), '\xe2\x80\xa8']; // prettier-ignore
const CONTROLS = ['\0', '\r\nX-Injected: yes', '\n', '\r\n\r\n<script>', '\t', '\x1b[31m', '\x7f', '\b'];
const TRICKS = ['"', '\\"', '";filename="b', "'", ';', '%00', '%0d%0aX-Injected:yes', '$(id)', '`id`', '|id', '*', '?', '<script>', '{{7*7}}', '${7*7}', "' OR 1=1 --", 'CON', 'NUL.txt', '.htaccess', '.', '..', ' ', '.bashrc', 'a.html', 'a.svg', 'a.php.png', 'a'.repeat(5_000), '__proto__', 'constructor', '']; // prettier-ignore
const TYPES = ['text/html', 'image/svg+xml', 'text/javascript', 'application/javascript', 'application/xhtml+xml', 'text/xml', 'application/xml', 'text/css', 'image/png', 'image/jpeg', 'text/plain', 'text/csv', 'application/json', 'application/pdf', 'multipart/related', 'message/rfc822', 'application/x-shockwave-flash', 'application/hta', 'application/wasm', 'application/manifest+json', 'text/cache-manifest', 'text/html; charset=utf-7', 'TEXT/HTML', 'text/html\tx', 'image/png;text/html', '*/*', '', 'x']; // prettier-ignore
const CONTENTS = [
  ...['<!doctype html><script>alert(1)</script>', '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'],
  ...['<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><a/>', '<!-- --><html>', '\xef\xbb\xbf<script>alert(1)</script>'],
  ...['\xff\xfe<\0s\0c\0r\0i\0p\0t\0>\0', '+ADw-script+AD4-alert(1)+ADw-/script+AD4-', 'alert(1)', 'GIF89a/*<script>alert(1)</script>*/=1;'],
  ...['%PDF-1.7\n<< /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>', 'FWS\x09', '\0asm\x01\0\0\0', 'BM<script>', '\x89PNG\r\n\x1a\n<html>'],
  ...['MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<script>', 'CACHE MANIFEST\n/', '{"a":"<script>"}', 'a,=cmd|calc', ' '.repeat(5_000) + '<script>'],
].map((text) => Buffer.from(text, 'latin1')); // prettier-ignore

/** Types that a browser does not execute, as long as it does not guess (nosniff). */
const INERT = /^(application\/(octet-stream|pdf|json)|image\/(avif|gif|jpeg|png|webp)|text\/(plain|csv)(; charset=utf-(8|16|32))?|multipart\/byteranges; boundary=[\w-]+)$/; // prettier-ignore
const DISPOSITION =
  /^attachment; filename="(?!\.+")[ !#-.0-[\]-~]*"; filename\*=UTF-8''([\w.!#$&+^`|~-]|%[0-9A-F]{2})+$/;
/** Bytes of files, and the checkpoint of the audit log. */
const STORED = /^data\/(files\/(incoming|([0-9a-f]{2}\/){2}[0-9a-f-]{36})|audit\/torture_[0-9a-f]+\.json(\.\d+)?)$/;

const folder = makeFolder('names');
mkdirSync(join(folder, 'data'));
const decoys = [tmpdir(), '/', folder, join(folder, 'data'), homedir(), process.cwd()];
const database = await createDatabase();
const env = {
  DATABASE_URL: database.url,
  DATA_DIR: join(folder, 'data'),
  RATE_LIMIT_MODE: 'off',
  ACCESS_TOKEN_TTL: '86400',
};
const imports = options.unprotected ? [fileURLToPath(new URL('file-names.trusting.mjs', import.meta.url))] : [];
const server = await new Server(env, imports).ready();
let token;
try {
  await logIn();
  await Promise.all(Array.from({ length: 8 }, client));
  judge();
} finally {
  await server.stop();
  removeFolder(folder);
  await database.drop();
}
const durationS = Math.round((performance.now() - began) / 100) / 10;
console.log(JSON.stringify({ id: 'file-names', seed: Number(options.seed), counts, violations, durationS }));
process.exit(violations.length === 0 ? 0 : 1);

async function logIn() {
  const login = { email: 'torture@example.com', password: 'correct horse battery staple' };
  await server.call('POST', '/api/auth/register', { body: { ...login, name: 'T' } });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`UPDATE users SET role = 'ADMIN'`).finally(() => client.end());
  token = (await server.call('POST', '/api/auth/login', { body: login })).body.accessToken;
  await server.call('POST', '/api/buckets', { token, body: { name: 'open', visibility: 'public' } });
}

async function client() {
  while (counts.sent < Number(options.count)) {
    counts.sent++;
    const given = { name: hostileName(), type: pick(TYPES), bytes: pick(CONTENTS), bucket: pick(['default', 'open']) };
    const answer = await (random() < 0.7 ? sendForm(given) : sendTus(given));
    const what = JSON.stringify([given.name.slice(0, 200), given.type]);
    if (answer.status >= 500 || answer.status < 200) violate(`${what} answered ${answer.status}`);
    if (answer.headers['x-injected']) violate(`${what} added a header to the answer`);
    if (answer.id === undefined) counts.refused++;
    else await lookAt(answer.id, given, what);
  }
}

/** Returns a hostile name; its bytes are latin1 characters. */
function hostileName() {
  const parts = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(pick([PATHS, BYTES, CONTROLS, TRICKS, TRICKS]))); // prettier-ignore
  return random() < 0.7 ? `${parts.join('')}${DECOY}` : parts.join('');
}

async function sendForm({ name, type, bytes, bucket }) {
  const disposition =
    random() < 0.8
      ? `filename="${name}"`
      : `filename*=UTF-8''${[...Buffer.from(name, 'latin1')].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`;
  const head = `--b\r\nContent-Disposition: form-data; name="file"; ${disposition}\r\nContent-Type: ${type}\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head, 'latin1'), bytes, Buffer.from('\r\n--b--\r\n')]);
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const answer = await send('POST', `/api/files?bucket=${bucket}`, headers, body);
  return { ...answer, id: answer.status === 201 ? JSON.parse(answer.bytes).id : undefined };
}

async function sendTus({ name, type, bytes, bucket }) {
  const metadata = Object.entries({ filename: name, filetype: type, bucket })
    .map(([key, value]) => `${key} ${Buffer.from(value, 'latin1').toString('base64')}`)
    .join(',');
  const tus = { 'tus-resumable': '1.0.0' };
  const headers = { ...tus, 'upload-length': String(bytes.length), 'upload-metadata': metadata };
  const created = await send('POST', '/api/uploads', headers);
  if (created.status !== 201) return created;
  const part = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' };
  const answer = await send('PATCH', new URL(created.headers.location, 'http://localhost').pathname, part, bytes);
  return { ...answer, id: answer.headers['x-file-id'] };
}

/** Checks that a stored file has a plain name and an inert type: for its owner, strangers, by a link, and in parts. */
async function lookAt(id, given, what) {
  counts.kept++;
  if (random() < 0.2) {
    const rename = JSON.stringify({ name: hostileName() });
    const renamed = await send('PATCH', `/api/files/${id}`, { 'content-type': 'application/json' }, rename);
    if (renamed.status >= 500) violate(`${what}, renamed to ${rename.slice(0, 200)}, answered ${renamed.status}`);
    if (renamed.status === 200) counts.renamed++;
  }
  const { name } = JSON.parse((await send('GET', `/api/files/${id}`)).bytes);
  if (/[\p{Cc}/\\\p{Bidi_Control}]/u.test(name) || ['', '.', '..'].includes(name)) violate(`${what} is called ${name}`);
  const range = pick([{}, { range: 'bytes=0-' }, { range: 'bytes=0-0,2-2' }]);
  const asStranger = given.bucket === 'open' && random() < 0.5;
  let path = `/api/files/${id}/content`;
  if (random() < 0.1) path = JSON.parse((await send('POST', `/api/files/${id}/link`, { 'content-type': 'application/json' }, '{"expiresIn":60}')).bytes).url; // prettier-ignore
  const answer = await send('GET', path, range, undefined, !asStranger);
  const { headers } = answer;
  counts.served++;
  const isRight = {
    status: answer.status === 200 || answer.status === 206,
    type: INERT.test(headers['content-type'] ?? ''),
    disposition: DISPOSITION.test(headers['content-disposition'] ?? ''),
    nosniff: headers['x-content-type-options'] === 'nosniff',
    policy: headers['content-security-policy'] === "sandbox; default-src 'none'",
    noMore: headers['x-injected'] === undefined,
    // Quotes and an empty line in a name begin the content.
    bytes: answer.status === 206 || answer.bytes.subarray(-given.bytes.length).equals(given.bytes),
  };
  const wrong = Object.keys(isRight).filter((key) => !isRight[key]);
  if (wrong.length > 0) violate(`${what} is served with a wrong ${wrong.join(', ')}: ${JSON.stringify(headers)}`);
}

function send(method, path, headers = {}, body, withToken = true) {
  const all = { ...headers, ...(withToken && { authorization: `Bearer ${token}` }) };
  if (body !== undefined) all['content-length'] = Buffer.byteLength(body);
  return new Promise((resolve, reject) => {
    const call = { host: '127.0.0.1', port: server.port, agent: server.agent, method, path, headers: all };
    request(call, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, bytes: Buffer.concat(chunks) })); // prettier-ignore
    })
      .on('error', reject)
      .end(body);
  });
}

/** Checks that nothing was written outside of the storage. */
function judge() {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
  for (const entry of entries) {
    const path = relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/');
    if (!STORED.test(path)) violate(`${path} was written`);
  }
  for (const place of decoys) if (existsSync(join(place, DECOY))) violate(`${join(place, DECOY)} was written`);
  if (/"level":"(error|fatal)"/.test(server.output)) violate(`the log contains an error: ${server.output.slice(-500)}`);
}
