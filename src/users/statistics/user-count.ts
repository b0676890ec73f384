// Counts users by role, month, age and hobby. Pure.
import type { Role } from '../../common/access/permissions.js';

/** The counted members of one user. */
export interface UserTraits {
  role: Role;
  /** Month of the creation, in UTC, like 2030-01. */
  month: string;
  age: number | null;
  hobbies: string[];
  hasPassword: boolean;
  hasEmail: boolean;
}

export interface UserStatistics {
  users: number;
  byRole: Record<string, number>;
  byMonth: Array<{ month: string; users: number }>;
  age: AgeStatistics;
  topHobbies: Array<{ hobby: string; users: number }>;
  /** Share of all users, from 0 to 1; 0 without users. */
  withPassword: number;
  withEmail: number;
}

/** Of users with a known age; null when no age is known. */
export interface AgeStatistics {
  known: number;
  min: number | null;
  max: number | null;
  mean: number | null;
  median: number | null;
  /** Interpolated between two ages, like PostgreSQL's percentile_cont. */
  percentiles: Record<'p10' | 'p25' | 'p75' | 'p90' | 'p99', number | null>;
  /** From the youngest decade to the oldest, each from `from` to `from + 9`. */
  byDecade: Array<{ from: number; users: number }>;
}

const TOP = 20;

export class UserCount {
  private users = 0;
  private passwords = 0;
  private emails = 0;
  private readonly roles = new Map<string, number>();
  private readonly months = new Map<string, number>();
  private readonly hobbies = new Map<string, number>();
  /** Number of users by age: exact percentiles with little memory, however many users there are. */
  private readonly ages: number[] = [];

  add({ role, month, age, hobbies, hasPassword, hasEmail }: UserTraits): void {
    this.users++;
    if (hasPassword) this.passwords++;
    if (hasEmail) this.emails++;
    increase(this.roles, role);
    increase(this.months, month);
    if (age !== null) this.ages[age] = (this.ages[age] ?? 0) + 1;
    for (const hobby of new Set(hobbies)) increase(this.hobbies, hobby);
  }

  result(): UserStatistics {
    const months = [...this.months].sort(([one], [other]) => (one < other ? -1 : 1));
    const hobbies = [...this.hobbies].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    return {
      users: this.users,
      byRole: Object.fromEntries(this.roles),
      byMonth: months.map(([month, users]) => ({ month, users })),
      age: ageStatistics(this.ages),
      topHobbies: hobbies.slice(0, TOP).map(([hobby, users]) => ({ hobby, users })),
      withPassword: this.shareOf(this.passwords),
      withEmail: this.shareOf(this.emails),
    };
  }

  private shareOf(some: number): number {
    return this.users === 0 ? 0 : round(some / this.users);
  }
}

function increase(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** `ages[n]`: number of users of age n. */
function ageStatistics(ages: readonly number[]): AgeStatistics {
  const counted = [...ages.entries()].flatMap(([age, users = 0]) => (users > 0 ? [{ age, users }] : []));
  const known = counted.reduce((sum, { users }) => sum + users, 0);
  const total = counted.reduce((sum, { age, users }) => sum + age * users, 0);
  const at = (share: number): number | null => percentile(counted, known, share);
  return {
    known,
    min: counted[0]?.age ?? null,
    max: counted.at(-1)?.age ?? null,
    mean: known === 0 ? null : round(total / known),
    median: at(0.5),
    percentiles: { p10: at(0.1), p25: at(0.25), p75: at(0.75), p90: at(0.9), p99: at(0.99) },
    byDecade: byDecade(counted),
  };
}

interface Counted {
  age: number;
  users: number;
}

function percentile(counted: readonly Counted[], known: number, share: number): number | null {
  if (known === 0) return null;
  const place = share * (known - 1);
  const below = ageAt(counted, Math.floor(place));
  return round(below + (ageAt(counted, Math.ceil(place)) - below) * (place % 1));
}

/** Returns the age of the n-th youngest user, n from 0. */
function ageAt(counted: readonly Counted[], place: number): number {
  let seen = 0;
  return counted.find(({ users }) => (seen += users) > place)?.age ?? NaN;
}

function byDecade(counted: readonly Counted[]): AgeStatistics['byDecade'] {
  const decades = new Map<number, number>();
  for (const { age, users } of counted) {
    const from = age - (age % 10);
    decades.set(from, (decades.get(from) ?? 0) + users);
  }
  const [first = 0, last = -1] = [Math.min(...decades.keys()), Math.max(...decades.keys())].filter(Number.isFinite);
  const count = (last - first) / 10 + 1;
  return Array.from({ length: Math.max(0, Math.floor(count)) }, (_, index) => {
    const from = first + 10 * index;
    return { from, users: decades.get(from) ?? 0 };
  });
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
