// A password on standard input: exactly one line of UTF-8.
import { describe, expect, it } from '@jest/globals';
import { readPassword, TerminalError } from '../../src/terminal.js';

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
const read = (text: string | Buffer, size = 3): Promise<string> => readPassword(chunks(Buffer.from(text), size));

describe('a password on standard input', () => {
  it.each([
    ['correct horse', 'correct horse'],
    ['correct horse\n', 'correct horse'],
    ['correct horse\r\n', 'correct horse'],
    ['  blanks at both ends ', '  blanks at both ends '],
    ['pässwörd 😀\n', 'pässwörd 😀'],
  ])('%j is read as %j', async (input, password) => {
    for (const size of [1, 3, 1_000]) expect(await read(input, size)).toBe(password);
  });

  it.each([
    ['no input', '', /^No password: /],
    ['an empty line', '\n', /^No password: /],
    ['two lines', 'correct horse\nand more\n', /one line/],
    ['two lines with a carriage return', 'correct horse\rand more', /one line/],
    ['bytes that are not UTF-8', Buffer.from('p\xe4ssword', 'latin1'), /not UTF-8/],
    ['endless input', 'x'.repeat(100_000), /too long/],
  ])('is refused: %s', async (_what, input, message) => {
    const refused = await read(input, 1_000).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(TerminalError);
    expect((refused as Error).message).toMatch(message);
  });

  it('is read only up to the maximum length of a password', async () => {
    let read = 0;
    const endless = async function* (): AsyncGenerator<Buffer> {
      for (;;) yield await Promise.resolve(Buffer.alloc((read += 1_000) && 1_000, 'x'));
    };
    await expect(readPassword(endless())).rejects.toThrow(TerminalError);
    expect(read).toBeLessThan(10_000);
  });
});
