// The permission table of the roles: a new permission shows up as a change of this table.
import { describe, expect, it } from '@jest/globals';
import '../../src/app.module.js'; // loads every module, and so defines every permission
import { type Actor, can, definePermissions, permissionsOf, ROLES } from '../../src/common/access/permissions.js';
import { maySee } from '../../src/users/users.policy.js';

const actor = (role: Actor['role']): Actor => ({ id: 'me', key: '1', role, sessionId: 's' });

it('administrators have every permission of every module', () => {
  expect(permissionsOf('ADMIN').toSorted()).toEqual([
    'audit:read',
    'buckets:write',
    'cache:clear',
    'cache:read',
    'deleted:read',
    'deleted:restore',
    'docs:read',
    'files:maintain',
    'jobs:discard',
    'jobs:prioritize',
    'jobs:read',
    'jobs:replay',
    'schedules:read',
    'schedules:run',
    'users:read',
    'users:write',
  ]);
});

it('users have none of them', () => {
  expect(permissionsOf('USER')).toEqual([]);
  expect(permissionsOf('ADMIN').filter((permission) => can(actor('USER'), permission))).toEqual([]);
});

it('a permission is defined once', () => {
  expect(() => definePermissions({ look: 'users:read' })).toThrow('The permission users:read is defined twice.');
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
