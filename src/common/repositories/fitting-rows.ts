// Limits the text of a page: large rows make a page shorter than requested, and its cursor leads to the rest.

/**
 * In UTF-16 units, which a string knows without being read. Converting a page to JSON and hashing it blocks the process:
 * this amount takes at most 10 ms, while a hundred tasks of maximum length took 70 ms.
 */
const MAX_UNITS = 262_144;

/** Returns the first rows that fit together, at least one. */
export function fittingRows<E extends object>(rows: readonly E[]): E[] {
  let units = 0;
  const count = rows.findIndex((row) => (units += unitsOf(row)) > MAX_UNITS);
  return count === -1 ? [...rows] : rows.slice(0, Math.max(count, 1));
}

function unitsOf(row: object): number {
  let units = 0;
  for (const value of Object.values(row) as unknown[]) {
    if (typeof value === 'string') units += value.length;
    else if (typeof value === 'object' && value !== null && !(value instanceof Date))
      units += JSON.stringify(value).length;
  }
  return units;
}
