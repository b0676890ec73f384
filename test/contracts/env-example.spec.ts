// .env.example is what `npm run env-example` prints.
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { expect, it } from '@jest/globals';
import '../../src/app.module.js'; // declares all settings
import { printEnvExample } from '../../src/shared/config/env-example.js';
import { readEnv } from '../../src/shared/config/environment.js';
import { definedAreas } from '../../src/shared/config/settings.js';

const committed = readFileSync('.env.example', 'utf8');

it('.env.example is what the settings print; otherwise run `npm run env-example`', () => {
  expect(printEnvExample()).toBe(committed);
});

it('.env.example has every variable once, with its description and its default', () => {
  const variables = definedAreas().flatMap((area) => area.variables);
  expect(variables.length).toBeGreaterThan(70);
  const lines = committed.split('\n').filter((line) => line !== '' && !line.startsWith('## '));
  const expected = variables.flatMap(({ name, doc, standard }) => [
    `# ${doc}`,
    standard === undefined ? `${name}=` : `#${name}=${standard}`,
  ]);
  expect(lines.slice(1)).toEqual(expected);
});

it('.env.example changes nothing as it is, and nothing with all its defaults', () => {
  const absent = readEnv({});
  expect(readEnv(parseEnv(committed) as NodeJS.ProcessEnv)).toEqual(absent);
  expect(readEnv(parseEnv(committed.replaceAll(/^#(?=[A-Z0-9_]+=)/gm, '')) as NodeJS.ProcessEnv)).toEqual(absent);
});
