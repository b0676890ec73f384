// The permission table of the roles: a new permission shows up as a change of this table.
import { describe, expect, it } from '@jest/globals';
import { type Actor, can, PERMISSIONS, ROLES } from '../../src/common/access/permissions.js';
import { maySee } from '../../src/users/users.policy.js';

const actor = (role: Actor['role']): Actor => ({ id: 'me', key: '1', role, sessionId: 's' });

it.each([
  [
    'ADMIN',
    [
      'users:read',
      'users:write',
      'deleted:read',
      'deleted:restore',
      'cache:read',
      'cache:clear',
      'audit:read',
      'jobs:read',
      'jobs:replay',
      'jobs:discard',
      'jobs:prioritize',
      'schedules:read',
      'schedules:run',
      'buckets:write',
      'files:maintain',
      'docs:read',
    ],
  ],
  ['USER', []],
] as const)('%s has exactly %j', (role, permissions) => {
  expect(PERMISSIONS.filter((permission) => can(actor(role), permission))).toEqual(permissions);
});

it('every role is in the permission table', () => {
  expect([...ROLES].sort()).toEqual(['ADMIN', 'USER']);
});

describe('an account is visible', () => {
  it.each([
    ['ADMIN', 'me', true],
    ['ADMIN', 'someone else', true],
    ['USER', 'me', true],
    ['USER', 'someone else', false],
  ] as const)('for the role %s with the id "me", account of %s: %s', (role, uuid, seen) => {
    expect(maySee(actor(role), uuid)).toBe(seen);
  });
});
