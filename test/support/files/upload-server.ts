// A server with one user and her uploads.
import { expect } from '@jest/globals';
import type { UsageDto } from '../../../src/files/dto/file.dto.js';
import type { Answer, Page, Problem } from '../http/api.js';
import { FileServer, type StoredFile } from './file-server.js';
import type { Person, TestServer } from '../server/server.js';
import { Tus } from '../http/tus.js';
import { until } from '../time/until.js';

/** Returns the status with the code of the problem, or with the upload offset. */
export const refusal = ({ status, body, headers }: Answer<Problem>): string =>
  `${status} ${(body as Problem | undefined)?.code ?? headers.get('upload-offset') ?? ''}`;

export class UploadServer {
  private constructor(
    readonly fileServer: FileServer,
    readonly ada: Person,
    readonly tus: Tus,
  ) {}

  static async open(env: Record<string, string> = {}): Promise<UploadServer> {
    const fileServer = await FileServer.open(env);
    const ada = await fileServer.server.registerUser('Ada');
    return new UploadServer(fileServer, ada, new Tus(ada.api));
  }

  get server(): TestServer {
    return this.fileServer.server;
  }

  close(): Promise<void> {
    return this.fileServer.close();
  }

  async usage(): Promise<[bytes: number, files: number]> {
    const { bytes, files } = (await this.ada.api.get<UsageDto>('/api/files/usage')).body;
    return [bytes, files];
  }

  async files(): Promise<StoredFile[]> {
    return (await this.ada.api.get<Page<StoredFile>>('/api/files?limit=100')).body.items;
  }

  async content(id: string | null): Promise<Buffer> {
    return Buffer.from(await (await this.fileServer.content(this.ada, id ?? '')).arrayBuffer());
  }

  async count(table: string): Promise<number> {
    return (await this.server.sql<{ n: number }>(`SELECT count(*)::int n FROM ${table}`))[0]!.n;
  }

  /** Waits until a request holds the lock of an upload. */
  async isAtWork(): Promise<void> {
    await until(async () => (await this.count('upload_locks')) === 1, 'a request to hold the lock');
  }

  /** Expects no unneeded bytes, no locks and no errors in the log: the storage contains only bytes of files and uploads. */
  async expectOrder(): Promise<void> {
    await until(async () => (await this.count('upload_locks')) === 0, 'the release of all locks');
    await until(async () => {
      const known = `SELECT storage_key FROM blobs UNION SELECT storage_key FROM upload_segments`;
      const needed = (await this.server.sql<{ storage_key: string }>(known)).map((row) => row.storage_key);
      return needed.sort().join() === (await this.fileServer.storedNames()).sort().join();
    }, 'the removal of unneeded bytes');
    const spare = `SELECT storage_key FROM storage_leases WHERE storage_key NOT IN (SELECT storage_key FROM uploads)`;
    expect(await this.server.sql(spare)).toEqual([]);
    expect(this.server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  }
}
