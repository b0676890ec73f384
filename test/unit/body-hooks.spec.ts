// Large JSON bodies are parsed and handled one per turn of the event loop, so that other requests are served between them.
import { expect, it } from '@jest/globals';
import fastify from 'fastify';
import { addBodyHooks } from '../../src/common/http/hooks/body.hooks.js';

/** Returns the turns of the event loop in which the handlers of simultaneous requests run. */
async function turnsOf(bytes: number): Promise<number[]> {
  const server = fastify({ bodyLimit: 1_048_576 });
  await addBodyHooks(server, { timeoutMs: 10_000, minBytes: 1 });
  const turns: number[] = [];
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  server.post('/', () => {
    turns.push(turn);
    return {};
  });
  await server.ready();
  setImmediate(count);
  const payload = { text: 'x'.repeat(bytes) };
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => server.inject({ method: 'POST', url: '/', payload })),
  );
  isOver = true;
  await server.close();
  expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(8).fill(200));
  return turns;
}

it('large bodies are parsed and handled in turns of their own', async () => {
  const turns = await turnsOf(100_000);
  for (let at = 1; at < turns.length; at++)
    expect((turns[at] as number) - (turns[at - 1] as number)).toBeGreaterThanOrEqual(2);
});

it('small bodies do not wait for a turn', async () => {
  expect(new Set(await turnsOf(100)).size).toBeLessThan(8);
});
