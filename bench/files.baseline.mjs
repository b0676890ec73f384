// Baseline of bench/files.mjs: a bare Fastify that streams a form's file to disk, and back; no hash, no fsync, no database.
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import multipart from '@fastify/multipart';
import Fastify from 'fastify';

const [, , folder] = process.argv;
mkdirSync(folder, { recursive: true });
const app = Fastify({ bodyLimit: 2 ** 40 });
await app.register(multipart, { limits: { fileSize: 2 ** 40 } });
app.post('/api/files', async (request, reply) => {
  const part = await request.file();
  const id = randomUUID();
  await pipeline(part.file, createWriteStream(join(folder, id)));
  return reply.code(201).send({ id });
});
app.get('/api/files/:id/content', (request, reply) => {
  const path = join(folder, request.params.id);
  return reply
    .header('content-length', statSync(path).size)
    .type('application/octet-stream')
    .send(createReadStream(path));
});
await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(String(app.server.address().port));
