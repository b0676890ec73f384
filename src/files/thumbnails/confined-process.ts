// Runs a program in a restricted process: bytes go in, bytes come out, and the process is killed after a time limit.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Confinement {
  /** Path of a JavaScript file. */
  program: string;
  /** The program's one argument. */
  argument: string;
  /** Limit of the address space, bytes: allocations beyond it fail. Only Linux enforces it. */
  memory: number;
  /** Time limit after the last byte of input, ms; then the process is killed. The signal limits the time of the input. */
  wallMs: number;
  /** Maximum output, bytes: a process that prints more is killed. */
  maxOutput: number;
  /** Kills it at once. */
  signal: AbortSignal;
}

export interface ProcessResult {
  output: Buffer;
  /** Exit code; null when the process was killed or crashed. */
  code: number | null;
  /** True when it was killed after `wallMs`. On a busy machine that does not prove that the input was expensive. */
  isLate: boolean;
  /** The beginning of its error output; untrusted, like the rest. */
  errors: string;
}

const MAX_ERRORS = 2_000;

/**
 * Shell limits: no core dumps, no files, 30 s of CPU (also if this process dies), and a limit of the address space. glibc
 * reserves 64 MiB of it per arena, one arena per thread, so there is only one arena.
 */
const LIMITS = 'ulimit -c 0; ulimit -f 0; ulimit -t 30; ulimit -v "$0"; export MALLOC_ARENA_MAX=1';
/** Runs without network, in a network namespace of its own, where the system permits it (user namespaces). */
const ALONE = 'if unshare -rn true 2>/dev/null; then exec unshare -rn "$@"; fi; exec "$@"';
/** No JIT: no memory is both writable and executable, and V8 reserves little address space. */
const NODE = [process.execPath, '--jitless', '--no-warnings'];

/** Rejects when the process cannot start, with an error of `input`, or with the signal's reason. Leaves no process behind. */
export async function runConfined(input: Readable, confinement: Confinement): Promise<ProcessResult> {
  const { signal } = confinement;
  try {
    signal.throwIfAborted();
    return await watch(start(confinement), input, confinement);
  } catch (error) {
    signal.throwIfAborted(); // throws the reason, instead of the error of the killed process
    throw error;
  } finally {
    input.destroy();
  }
}

async function watch(
  child: ChildProcessWithoutNullStreams,
  input: Readable,
  { signal, maxOutput, wallMs }: Confinement,
): Promise<ProcessResult> {
  const kill = (): void => void child.kill('SIGKILL');
  const closed = once(child, 'close') as Promise<[code: number | null]>;
  closed.catch(() => undefined); // awaited only after the input
  signal.addEventListener('abort', kill, { once: true });
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  try {
    for (const stream of child.stdio) stream?.on('error', () => undefined); // the exit of the process reports it as well
    const output = collect(child.stdout, maxOutput, kill);
    const errors = collect(child.stderr, MAX_ERRORS);
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

/** Starts the process without environment, because the environment contains secrets. */
function start({ program, argument, memory }: Confinement): ChildProcessWithoutNullStreams {
  const node = [...NODE, program, argument];
  const limited = ['/bin/sh', '-c', `${LIMITS}; ${ALONE}`, String(Math.ceil(memory / 1024)), ...node];
  const [command = '', ...args] = process.platform === 'linux' ? limited : node;
  return spawn(command, args, { cwd: '/', env: {}, stdio: 'pipe', windowsHide: true });
}

/** Rejects with an error of `source`. A process that stops reading is not an error. */
async function feed(source: Readable, stdin: Writable): Promise<void> {
  let failure: Error | undefined;
  async function* chunks(): AsyncGenerator<Buffer> {
    try {
      yield* source as AsyncIterable<Buffer>;
    } catch (error) {
      failure = error as Error;
    }
  }
  await pipeline(chunks, stdin).catch(() => undefined);
  if (failure) throw failure;
}

/** Collects output up to `maxBytes` bytes and drops the rest. Calls `onExcess` when there is more. */
function collect(stream: Readable, maxBytes: number, onExcess = (): void => undefined): () => Buffer {
  const chunks: Buffer[] = [];
  let remaining = maxBytes;
  stream.on('data', (chunk: Buffer) => {
    if (chunk.length > remaining) onExcess();
    chunks.push(chunk.subarray(0, remaining));
    remaining -= Math.min(remaining, chunk.length);
  });
  return () => Buffer.concat(chunks);
}
