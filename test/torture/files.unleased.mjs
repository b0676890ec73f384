// The red twin of the files' torture: no row knows of bytes before they have a file, as is usual.
import { randomUUID } from 'node:crypto';
import { StorageLeases } from '../../dist/src/storage/blobs/storage-leases.js';

const owners = new Map();
const { signal } = new globalThis.AbortController();

StorageLeases.prototype.begin = async function begin() {
  const storageKey = randomUUID();
  owners.set(storageKey, { reservedBytes: 0 });
  return { storageKey, roomBytes: Infinity, signal };
};
StorageLeases.prototype.claim = async (storageKey) => owners.get(storageKey);
