// HTTP that fetch cannot send: any method with any body, and malformed bytes.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  /** Header names are in lower case. */
  headers: Record<string, string>;
  text: string;
}

export interface RawRequest {
  method: string;
  path: string;
  /** A list becomes one header field per item. */
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
}

const agent = new Agent({ keepAlive: true, maxSockets: 32 });

/** Sends with Node's client: a GET may have a body, and headers are not corrected. */
export function send(port: number, { method, path, headers = {}, body }: RawRequest): Promise<RawAnswer> {
  const framed = body !== undefined && !('transfer-encoding' in headers); // Node does not frame the body of a GET or HEAD
  const all = framed ? { ...headers, 'content-length': String(Buffer.byteLength(body)) } : headers;
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers: all, agent }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const received = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: Object.fromEntries(received) as Record<string, string>,
          text: Buffer.concat(chunks).toString(),
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Writes the bytes to a socket unchanged and reads one response; null when the server closes without one. */
export function sendBytes(port: number, bytes: string | Uint8Array, withinMs = 10_000): Promise<RawAnswer | null> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const done = (answer: RawAnswer | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`No answer within ${withinMs} ms; so far: ${received.toString().slice(0, 200)}`));
    }, withinMs);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const answer = parse(received);
      if (answer) done(answer);
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => done(parse(received, true)));
  });
}

/** Returns null while the response is incomplete; `closed`: the connection has ended. */
function parse(bytes: Buffer, closed = false): RawAnswer | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const text = bytes.subarray(end + 4).toString();
  const complete =
    'content-length' in headers
      ? Buffer.byteLength(text) >= Number(headers['content-length'])
      : text.endsWith('0\r\n\r\n');
  return complete || closed ? { status: Number(statusLine.split(' ')[1]), headers, text } : null;
}
