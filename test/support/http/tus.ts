// A tus client that sends single requests, so that tests can check each response.
import { connect, type Socket } from 'node:net';
import type { Answer, Api, Problem } from './api.js';

export const PART = 'application/offset+octet-stream';
export const VERSION = { 'tus-resumable': '1.0.0' };
/** After these statuses, clients ask for the offset and send the rest: a timeout, or another request holds the upload. */
export const RETRYABLE_STATUSES = [408, 409, 423, 503];

/** Formats Upload-Metadata. */
export function metadata(values: Record<string, string | Uint8Array>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${Buffer.from(value as string).toString('base64')}`)
    .join(',');
}

export class Tus {
  constructor(
    private readonly api: Api,
    private readonly root = '/api/uploads',
  ) {}

  send(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: Uint8Array | string,
  ): Promise<Answer<Problem>> {
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': PART };
    return this.api.request(method, path, body, { headers: { ...VERSION, ...type, ...headers } });
  }

  create(length: number | string, values: Record<string, string> = {}): Promise<Answer<Problem>> {
    const described = Object.keys(values).length > 0 && { 'upload-metadata': metadata(values) };
    return this.send('POST', this.root, { 'upload-length': String(length), ...described });
  }

  /** Creates an upload and returns its path. */
  async begin(length: number, values: Record<string, string> = {}): Promise<string> {
    const { status, headers, body } = await this.create(length, values);
    if (status !== 201) throw new Error(`The creation answered ${status}: ${JSON.stringify(body)}`);
    return headers.get('location') as string;
  }

  head(path: string): Promise<Answer<Problem>> {
    return this.send('HEAD', path);
  }

  patch(path: string, offset: number | string, bytes: Uint8Array | string): Promise<Answer<Problem>> {
    return this.send('PATCH', path, { 'upload-offset': String(offset) }, bytes);
  }

  async offset(path: string): Promise<number> {
    const { status, headers } = await this.head(path);
    if (status !== 200) throw new Error(`HEAD answered ${status}`);
    return Number(headers.get('upload-offset'));
  }

  /** Returns the offset, and the id of the finished file. Repeats the request until it is answered, as clients do. */
  async progress(path: string): Promise<{ offset: number; fileId: string | null }> {
    for (;;) {
      const { status, headers } = await this.head(path);
      if (status === 200) return { offset: Number(headers.get('upload-offset')), fileId: headers.get('x-file-id') };
      if (!RETRYABLE_STATUSES.includes(status)) throw new Error(`HEAD answered ${status}`);
    }
  }

  /** Sends the rest and returns the file id. Repeats, as clients do, when a request was interrupted by another. */
  async resume(path: string, bytes: Uint8Array): Promise<string> {
    for (;;) {
      const { offset, fileId } = await this.progress(path);
      if (fileId !== null) return fileId;
      const { status, body } = await this.patch(path, offset, bytes.subarray(offset));
      if (status !== 204 && !RETRYABLE_STATUSES.includes(status)) throw new Error(`${status}: ${JSON.stringify(body)}`);
    }
  }

  /** Uploads a file and returns its id. */
  async complete(bytes: Uint8Array, values: Record<string, string> = {}): Promise<string> {
    const { status, headers, body } = await this.patch(await this.begin(bytes.length, values), 0, bytes);
    if (status !== 204) throw new Error(`The upload answered ${status}: ${JSON.stringify(body)}`);
    return headers.get('x-file-id') as string;
  }

  /** Opens a PATCH on a separate socket: sends the headers but no byte of the body yet. */
  open(path: string, offset: number, length: number): OpenPatch {
    return new OpenPatch(this.api, path, offset, length);
  }
}

export class OpenPatch {
  readonly socket: Socket;
  /** The received bytes so far. */
  received = '';
  readonly closed: Promise<void>;

  constructor({ url, token }: Api, path: string, offset: number, length: number) {
    this.socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
    this.socket.setEncoding('utf8').on('data', (text: string) => (this.received += text));
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.write(
      `PATCH ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nTus-Resumable: 1.0.0\r\n` +
        `Upload-Offset: ${offset}\r\nContent-Type: ${PART}\r\nContent-Length: ${length}\r\n\r\n`,
    );
  }

  send(bytes: Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }
}
