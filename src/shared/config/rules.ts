// Rules between the variables of an area, for `defineSettings`. The texts of their faults are in environment.ts.
import type { Rule } from './settings.js';

/** At most one of the variables may be set. */
export function exclusive(...names: string[]): Rule {
  return (schema) => schema.oxor(...names);
}

/** All of the variables are set, or none. */
export function together(...names: string[]): Rule {
  return (schema) => schema.and(...names);
}
