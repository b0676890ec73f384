// AppError and defineErrors: codes, messages, headers and fields of the declared errors.
import { expect, it } from '@jest/globals';
import { AppError, defineErrors, errorCatalogue } from '../../src/shared/libs/app-error.js';

const DoorErrors = defineErrors('DOOR', {
  LOCKED: {
    status: 423,
    level: 'info',
    message: (name: string, hours: number) => `${name} is locked for ${hours} h.`,
    cure: 'Bring the key.',
  },
});

it('defineErrors builds the code from the prefix and the name, and inserts the arguments into the message', () => {
  const error = DoorErrors.LOCKED('The cellar', 3);
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({
    name: 'AppError',
    code: 'DOOR_LOCKED',
    status: 423,
    level: 'info',
    message: 'The cellar is locked for 3 h.',
  });
  expect(DoorErrors.LOCKED.code).toBe('DOOR_LOCKED');
  expect(errorCatalogue().get('DOOR_LOCKED')).toEqual({
    code: 'DOOR_LOCKED',
    status: 423,
    level: 'info',
    cure: 'Bring the key.',
  });
});

it('an error carries its own headers and fields', () => {
  const field = { field: 'tasks.3.title', rule: 'isString', message: 'title must be a string' };
  const error = DoorErrors.LOCKED('It', 1).withHeader('Retry-After', '7').withFields([field]);
  expect(error).toMatchObject({ headers: { 'Retry-After': '7' }, errors: [field] });
  expect(DoorErrors.LOCKED('It', 1)).toMatchObject({ headers: {}, errors: [] });
});

it('an empty prefix leaves the name unchanged', () => {
  const spec = { status: 418, level: 'warn', message: () => 'Short and stout.', cure: 'Use a coffee pot.' } as const;
  expect(defineErrors('', { TEAPOT: spec }).TEAPOT().code).toBe('TEAPOT');
});

it('declaring the same code twice throws', () => {
  const spec = { status: 423, level: 'info', message: () => '', cure: '' } as const;
  expect(() => defineErrors('DOOR', { LOCKED: spec })).toThrow('Error code DOOR_LOCKED is declared twice.');
});
