// The user count agrees with a slow reference count of the same users.
import { expect, it } from '@jest/globals';
import { UserCount, type UserTraits } from '../../src/users/statistics/user-count.js';
import { below, pick, seeded } from '../support/fuzz/random.js';

const noTraits: UserTraits = {
  role: 'USER',
  month: '2030-01',
  age: null,
  hobbies: [],
  hasPassword: false,
  hasEmail: true,
};

function count(users: UserTraits[]) {
  const counting = new UserCount();
  for (const user of users) counting.add(user);
  return counting.result();
}

it('counts no users', () => {
  const age = { known: 0, min: null, max: null, mean: null, median: null, byDecade: [] };
  const percentiles = { p10: null, p25: null, p75: null, p90: null, p99: null };
  const counts = { users: 0, byRole: {}, byMonth: [], topHobbies: [], withPassword: 0, withEmail: 0 };
  expect(count([])).toEqual({ ...counts, age: { ...age, percentiles } });
});

it('counts a few users', () => {
  const users: UserTraits[] = [
    { ...noTraits, role: 'ADMIN', age: 9, hobbies: ['chess', 'go', 'chess'], hasPassword: true },
    { ...noTraits, age: 30, hobbies: ['go'], month: '2029-12' },
    { ...noTraits, age: 31, hasEmail: false },
    { ...noTraits },
  ];
  expect(count(users)).toEqual({
    users: 4,
    byRole: { ADMIN: 1, USER: 3 },
    byMonth: [
      { month: '2029-12', users: 1 },
      { month: '2030-01', users: 3 },
    ],
    age: {
      ...{ known: 3, min: 9, max: 31, mean: 23.3333, median: 30 },
      percentiles: { p10: 13.2, p25: 19.5, p75: 30.5, p90: 30.8, p99: 30.98 },
      byDecade: [
        { from: 0, users: 1 },
        { from: 10, users: 0 },
        { from: 20, users: 0 },
        { from: 30, users: 2 },
      ],
    },
    topHobbies: [
      { hobby: 'go', users: 2 },
      { hobby: 'chess', users: 1 },
    ],
    withPassword: 0.25,
    withEmail: 0.75,
  });
});

it('counts many users', () => {
  const random = seeded(4);
  const users = Array.from({ length: 5_000 }, (): UserTraits => ({
    ...noTraits,
    age: pick(random, [null, below(random, 151)]),
    hobbies: Array.from({ length: below(random, 4) }, () => `hobby ${below(random, 40)}`),
  }));
  const ages = users.flatMap(({ age }) => age ?? []).sort((one, other) => one - other);
  const at = (share: number): number => {
    const place = share * (ages.length - 1);
    const [low = 0, high = 0] = [ages[Math.floor(place)], ages[Math.ceil(place)]];
    return low + (high - low) * (place - Math.floor(place));
  };
  const { age, topHobbies } = count(users);
  expect(age).toMatchObject({ known: ages.length, min: ages[0], max: ages.at(-1) });
  expect(age.mean).toBeCloseTo(ages.reduce((sum, one) => sum + one, 0) / ages.length, 3);
  expect(age.median).toBeCloseTo(at(0.5), 3);
  expect(age.percentiles.p99).toBeCloseTo(at(0.99), 3);
  expect(age.byDecade.map(({ from, users: n }) => [from, n])).toEqual(
    Array.from({ length: 16 }, (_, index) => [10 * index, ages.filter((one) => Math.floor(one / 10) === index).length]),
  );
  const fans = (hobby: string): number => users.filter(({ hobbies }) => hobbies.includes(hobby)).length;
  expect(topHobbies.length).toBe(20);
  for (const { hobby, users: n } of topHobbies) expect(n).toBe(fans(hobby));
  expect(topHobbies.map(({ users: n }) => n)).toEqual(topHobbies.map(({ users: n }) => n).sort((a, b) => b - a));
});
