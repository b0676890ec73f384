// How much text a page holds: of large rows it has fewer than were asked for, and its cursor leads to the rest.

/**
 * In UTF-16 units, which a string knows without being read. While a page is made into JSON and hashed nobody else is
 * served: this much of it takes 10 ms at most, and a hundred tasks as long as they may be took 70.
 */
const MAX_UNITS = 262_144;

/** The first rows that fit together, at least one. */
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
