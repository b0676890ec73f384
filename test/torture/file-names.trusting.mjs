// The red twin of the names torture: also writes the bytes under the client's name, and serves them with the client's type.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ContentService } from '../../dist/src/files/content/content.service.js';
import { BlobIntake } from '../../dist/src/files/blob-intake.js';

const { store } = BlobIntake.prototype;
BlobIntake.prototype.store = async function storeByName(owner, source, options) {
  const path = join(process.env.DATA_DIR, 'files', options.name || 'file');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  const blob = await store.call(this, owner, source, options);
  return { ...blob, mimeType: options.mimeType };
};

const { answer } = ContentService.prototype;
ContentService.prototype.answer = function answerAsSaid(reply, content) {
  const { headers } = reply;
  reply.headers = (all) => headers.call(reply, { ...all, 'content-type': content.mimeType });
  return answer.call(this, reply, content);
};
