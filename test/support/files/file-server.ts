// A server with its own file folder, and the file requests of a client.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileDto } from '../../../src/files/dto/file.dto.js';
import type { Answer, Problem, Wire } from '../http/api.js';
import { type Person, startServer, type TestServer } from '../server/server.js';

export type StoredFile = Wire<FileDto>;

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

export interface UploadAs {
  name?: string;
  type?: string;
  bucket?: string;
}

export class FileServer {
  private constructor(
    readonly server: TestServer,
    readonly dataDir: string,
  ) {}

  static async open(env: Record<string, string> = {}): Promise<FileServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-files-'));
    return new FileServer(await startServer({ DATA_DIR: dataDir, RATE_LIMIT_MODE: 'off', ...env }), dataDir);
  }

  /** Closes all connections first: a response body that a test did not read would delay the shutdown. */
  async close(): Promise<void> {
    this.server.app.getHttpServer().closeAllConnections();
    await this.server.close();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** Returns any response, including errors. */
  async tryUpload(
    person: Person,
    bytes: Uint8Array<ArrayBuffer> | string,
    as: UploadAs = {},
  ): Promise<Answer<Problem>> {
    const form = new FormData();
    form.append('file', new Blob([bytes], { type: as.type ?? 'text/plain' }), as.name ?? 'a.txt');
    const query = as.bucket === undefined ? '' : `?bucket=${as.bucket}`;
    const headers = { authorization: `Bearer ${person.accessToken}` };
    const response = await fetch(`${this.server.url}/api/files${query}`, { method: 'POST', headers, body: form });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Problem };
  }

  async upload(person: Person, bytes: Uint8Array<ArrayBuffer> | string, as: UploadAs = {}): Promise<StoredFile> {
    const { status, body } = await this.tryUpload(person, bytes, as);
    if (status !== 201) throw new Error(`The upload answered ${status}: ${JSON.stringify(body)}`);
    return body as unknown as StoredFile;
  }

  /** `person` null: sends no token. */
  content(person: Person | null, id: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
    const token = person && { authorization: `Bearer ${person.accessToken}` };
    return fetch(`${this.server.url}/api/files/${id}/content`, { method, headers: { ...token, ...headers } });
  }

  /** Returns the names of all stored files, including unfinished ones. */
  async storedNames(): Promise<string[]> {
    const folder = join(this.dataDir, 'files');
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  }

  /** Returns the path of the stored bytes of a file. */
  async pathOf(id: string): Promise<string> {
    const [row] = await this.server.sql<{ key: string }>(
      'SELECT b.storage_key AS key FROM files f JOIN blobs b ON b.id = f.blob_id WHERE f.uuid = $1',
      id,
    );
    const key = row?.key ?? '';
    return join(this.dataDir, 'files', key.slice(0, 2), key.slice(2, 4), key);
  }
}
