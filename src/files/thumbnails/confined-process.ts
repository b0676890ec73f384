// A program in a process of its own that can do little: bytes go in, bytes come out, and it ends when its time is over.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Confinement {
  /** Path of a JavaScript file. */
  program: string;
  /** The program's one argument. */
  argument: string;
  /** Of address space, bytes: beyond it nothing can be allocated. Only Linux holds a process to that. */
  memory: number;
  /** It is killed so long after its last byte of input, ms. The input has the time that the signal gives it. */
  wallMs: number;
  /** Bytes: whoever prints more is killed. */
  mostOutput: number;
  /** Kills it at once. */
  signal: AbortSignal;
}

export interface Ending {
  output: Buffer;
  /** Null: it was killed, or crashed. */
  code: number | null;
  /** It was killed since `wallMs` were over: on a busy machine that says nothing of how much it had to do. */
  isLate: boolean;
  /** What it complained of, the beginning; as little to be trusted as the rest. */
  errors: string;
}

const MOST_ERRORS = 2_000;

/**
 * No core dumps, no files, an end for whoever outlives us, and an address space that has a limit. Of glibc's arenas, one
 * for each thread, every one reserves 64 MiB of it.
 */
const LIMITS = 'ulimit -c 0; ulimit -f 0; ulimit -t 30; ulimit -v "$0"; export MALLOC_ARENA_MAX=1';
/** A network of its own with nothing in it, where the system lets us make one (user namespaces). */
const ALONE = 'if unshare -rn true 2>/dev/null; then exec unshare -rn "$@"; fi; exec "$@"';
/** Nothing is compiled at run time: no memory is both written and executed, and V8 reserves next to nothing. */
const NODE = [process.execPath, '--jitless', '--no-warnings'];

/** Rejects when it cannot be started, with what `input` fails with, and with the signal's reason. No process is left. */
export async function runConfined(input: Readable, confinement: Confinement): Promise<Ending> {
  const { signal } = confinement;
  try {
    signal.throwIfAborted();
    return await watch(start(confinement), input, confinement);
  } catch (error) {
    signal.throwIfAborted(); // why it was killed, rather than that it was
    throw error;
  } finally {
    input.destroy();
  }
}

async function watch(
  child: ChildProcessWithoutNullStreams,
  input: Readable,
  { signal, mostOutput, wallMs }: Confinement,
): Promise<Ending> {
  const kill = (): void => void child.kill('SIGKILL');
  const closed = once(child, 'close') as Promise<[code: number | null]>;
  closed.catch(() => undefined); // it is asked for after the input
  signal.addEventListener('abort', kill, { once: true });
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  try {
    for (const stream of child.stdio) stream?.on('error', () => undefined); // its end says it as well
    const output = gather(child.stdout, mostOutput, kill);
    const errors = gather(child.stderr, MOST_ERRORS);
    await feed(input, child.stdin);
    timer = setTimeout(() => {
      isLate = true;
      kill();
    }, wallMs);
    const [code] = await closed;
    signal.throwIfAborted();
    return { output: output(), code, isLate, errors: errors().toString() };
  } finally {
    kill();
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
  }
}

/** Without an environment: there are secrets in ours. */
function start({ program, argument, memory }: Confinement): ChildProcessWithoutNullStreams {
  const node = [...NODE, program, argument];
  const limited = ['/bin/sh', '-c', `${LIMITS}; ${ALONE}`, String(Math.ceil(memory / 1024)), ...node];
  const [command = '', ...args] = process.platform === 'linux' ? limited : node;
  return spawn(command, args, { cwd: '/', env: {}, stdio: 'pipe', windowsHide: true });
}

/** Rejects with what `source` fails with; that nobody takes the bytes is no failure of theirs. */
async function feed(source: Readable, stdin: Writable): Promise<void> {
  let failure: Error | undefined;
  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      yield* source as AsyncIterable<Buffer>;
    } catch (error) {
      failure = error as Error;
    }
  }
  await pipeline(pieces, stdin).catch(() => undefined);
  if (failure) throw failure;
}

/** What comes, until it is too much; the rest is thrown away. */
function gather(stream: Readable, most: number, tooMuch = (): void => undefined): () => Buffer {
  const pieces: Buffer[] = [];
  let room = most;
  stream.on('data', (piece: Buffer) => {
    if (piece.length > room) tooMuch();
    pieces.push(piece.subarray(0, room));
    room -= Math.min(room, piece.length);
  });
  return () => Buffer.concat(pieces);
}
