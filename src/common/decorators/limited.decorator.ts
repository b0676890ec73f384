// Declares the rate limit of a route; without it a request counts as one of its caller's.
import { RouteSettings } from './route-settings.decorator.js';

/**
 * `standard`: by user, else by address. `register`, `login`: by address with a stricter limit, each in a separate count.
 * `password`: equally strict, by session.
 */
export type RouteLimit = 'standard' | 'register' | 'login' | 'password';

export interface Limited {
  /** Default `standard`: by user, else by address. */
  limit?: RouteLimit | 'none';
  /** The number of requests that one request counts as. Default 1. */
  cost?: number;
  /** The cost with a query parameter of `searchBy`, because a search reads many rows. Default: `cost`. */
  searchCost?: number;
  /** Default: only `q`. */
  searchBy?: readonly string[];
}

/** Throws when a cost is not an integer from 1. */
export function Limit(limited: Limited): MethodDecorator {
  const { cost, searchCost } = withDefaults(limited);
  for (const one of [cost, searchCost])
    if (!Number.isInteger(one) || one < 1) throw new Error(`A route cannot cost ${one}: give it an integer from 1.`);
  return RouteSettings({ limited });
}

export function withDefaults(limited: Limited): Required<Limited> {
  const { limit = 'standard', cost = 1, searchCost = cost, searchBy = ['q'] } = limited;
  return { limit, cost, searchCost, searchBy };
}
