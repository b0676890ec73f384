// Reads answers from the terminal, passwords without echo; passwords may also come from standard input.
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** There is no usable answer: one line with the cure. */
export class TerminalError extends Error {}

/** Longer than any accepted password, so that the password rules refuse longer ones. */
const MAX_INPUT_BYTES = 4_096;

export const isTerminal = (): boolean => process.stdin.isTTY;

/** Asks a question. Throws TerminalError when it is interrupted. */
export function ask(question: string): Promise<string> {
  return read(question, process.stdout);
}

/** Asks for a password twice, without echo. Throws TerminalError when the two differ. */
export async function askPassword(): Promise<string> {
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() });
  const password = await read('Password (not shown): ', silence);
  if ((await read('The same again: ', silence)) !== password)
    throw new TerminalError('The two passwords differ. Nothing was changed.');
  return password;
}

/** Reads all of `input` without its final line break. Throws TerminalError unless it is one line of UTF-8. */
export async function readPassword(input: AsyncIterable<Buffer> = process.stdin): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    chunks.push(chunk);
    if ((bytes += chunk.length) > MAX_INPUT_BYTES)
      throw new TerminalError('Standard input is too long for a password.');
  }
  const password = decode(Buffer.concat(chunks)).replace(/\r?\n$/, '');
  if (password === '')
    throw new TerminalError('No password: run this command in a terminal, or give the password on standard input.');
  if (/[\r\n]/.test(password)) throw new TerminalError('Standard input must hold one line, the password.');
  return password;
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new TerminalError('Standard input is not UTF-8.');
  }
}

/** `output` receives the typed text. */
async function read(question: string, output: Writable): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  const interrupted = new Promise<never>((_resolve, reject) => {
    const stop = (): void => reject(new TerminalError('Interrupted. Nothing was changed.'));
    terminal.once('SIGINT', stop).once('close', stop);
  });
  try {
    if (output !== process.stdout) process.stdout.write(question);
    return await Promise.race([terminal.question(output === process.stdout ? question : ''), interrupted]);
  } finally {
    terminal.close();
    if (output !== process.stdout) process.stdout.write('\n');
  }
}
