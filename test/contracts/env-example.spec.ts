// .env.example lists every variable of the schema with the same order, description and default.
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { envSchema } from '../../src/shared/config/env.schema.js';

interface Variable {
  flags: { description: string; default?: string | number | boolean };
}

it('.env.example and env.schema.ts agree', () => {
  const variables = Object.entries(envSchema.describe().keys as Record<string, Variable>);
  const expected = variables.flatMap(([name, { flags }]) => {
    const { default: value = '' } = flags;
    return [`# ${flags.description}`, value === '' ? `${name}=` : `#${name}=${String(value)}`];
  });
  const [, ...lines] = readFileSync('.env.example', 'utf8').split('\n').filter(Boolean);
  expect(lines).toEqual(expected);
});
