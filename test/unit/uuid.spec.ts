// UUIDs in a path: only one spelling for each object, though PostgreSQL accepts more.
import { expect, it } from '@jest/globals';
import { parseUuid } from '../../src/common/decorators/input.decorator.js';

const ID = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';

it('accepts a UUID in lower case', () => {
  expect(parseUuid('id', ID)).toBe(ID);
  expect(parseUuid('id', ID.toUpperCase())).toBe(ID);
});

it.each([
  '',
  '007',
  ' 42 ',
  'null',
  ID.replaceAll('-', ''),
  `{${ID}}`,
  `urn:uuid:${ID}`,
  ` ${ID}`,
  `${ID}\n`,
  `${ID}0`,
  ID.slice(0, -1),
  ID.replace('0', 'o'),
  ID.replace('0', '٠'),
  ID.replaceAll('-', '_'),
  `${ID}\0`,
])('refuses %j', (text) => {
  let thrown: unknown;
  try {
    parseUuid('id', text);
  } catch (error) {
    thrown = error;
  }
  const message = 'id must be a UUID';
  expect(thrown).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ field: 'id', rule: 'isUuid', message }] });
});
