// The guide of realtime names every message, error code and close code that a WebSocket has, and no other.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { CLOSE } from '../../src/realtime/socket/connection.js';
import { TOPICS } from '../../src/realtime/messages.js';

const guide = readFileSync('docs/guides/realtime.md', 'utf8');
const sources = readdirSync('src/realtime', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join('src/realtime', name), 'utf8'))
  .join('\n');

/** Returns what the pattern's group finds, once each. */
function found(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, name]) => name as string))].sort();
}

it('names every message of the server', () => {
  const sent = found(sources, /\btype: '([A-Z_]+)'/g);
  expect(sent.length).toBeGreaterThan(12);
  expect(sent.filter((type) => !new RegExp(`["\`]${type}["\`]`).test(guide))).toEqual([]);
});

it('names every message of the client', () => {
  for (const topic of TOPICS) expect(guide).toContain(`SUBSCRIBE_${topic.toUpperCase()}`);
  for (const type of ['PING', 'SUBSCRIBE', 'UNSUBSCRIBE', 'UNSUBSCRIBE_TASKS'])
    expect(guide).toContain(`"type":"${type}"`);
});

it('names every error code of a message', () => {
  const codes = found(sources, /new CommandError\('([A-Z_]+)'/g);
  expect(found(guide, /^\| `([A-Z_]+)` +\| [^`]*(?:no JSON|there is|more than)/gm)).toEqual(codes);
});

it('names every close code', () => {
  const codes = Object.values(CLOSE).map(String).sort();
  const section = guide.slice(guide.indexOf('## How a WebSocket ends'), guide.indexOf('## Event streams'));
  const named = [...section.matchAll(/^\| (\d[\d, ]*) *\|/gm)].flatMap(([, list = '']) => list.trim().split(', '));
  expect(named.filter((code) => code !== '1006').sort()).toEqual(codes);
});
