// Runs the first requests of README and of the guides that continue them, and compares the output with the printed one.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
beforeAll(async () => void (server = await startServer()));
afterAll(() => server.close());

interface Step {
  command: string;
  answer: string;
}

/** In the order of the run: each file continues the ones before it. */
const FILES = ['README.md', 'docs/guides/accounts.md', 'docs/guides/requests.md', 'docs/guides/files.md'];

/** Matches `$ command`, then the lines that it prints. */
function readSteps(file: string): Step[] {
  const [, block = ''] = /```console\n([\s\S]*?)```/.exec(readFileSync(file, 'utf8')) ?? [];
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...answer] = part.trimEnd().split('\n');
      return { command, answer: answer.join('\n') };
    });
}

/** `…` matches any text. */
function toPattern(answer: string): RegExp {
  const parts = answer.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*?')}$`);
}

test('the curl lines of README and the guides return the answers printed there', async () => {
  const stepsOfFiles = FILES.map((file) => readSteps(file));
  for (const stepsOfFile of stepsOfFiles) expect(stepsOfFile.length).toBeGreaterThan(1);
  const steps = stepsOfFiles.flat();
  expect(steps.length).toBeGreaterThan(8);
  const marker = '--- end of step ---';
  const script = steps.map(({ command }) => `${command}\necho\necho '${marker}'`).join('\n');
  const { stdout } = await promisify(execFile)('bash', ['-c', script.replaceAll('http://localhost:3000', server.url)]);
  const answers = stdout.split(marker).slice(0, -1);
  expect(answers).toHaveLength(steps.length);
  answers.forEach((answer, i) => expect(answer.trim()).toMatch(toPattern(steps[i]?.answer ?? '')));
});
