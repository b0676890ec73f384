// The red twin of the file torture: as is common, no row knows of the bytes before they have a file.
import { randomUUID } from 'node:crypto';
import { StorageLeases } from '../../dist/src/storage/blobs/storage-leases.js';

const owners = new Map();
const { signal } = new globalThis.AbortController();

StorageLeases.prototype.begin = async function begin() {
  const storageKey = randomUUID();
  owners.set(storageKey, { reservedBytes: 0 });
  return { storageKey, remainingBytes: Infinity, signal };
};
StorageLeases.prototype.claim = async (storageKey) => owners.get(storageKey);
