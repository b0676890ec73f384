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
  /** Query parameters that multiply the cost by SEARCH_COST, because no index covers them: finding a page may read many rows. */
  searchBy?: readonly string[];
}

export const SEARCH_COST = 5;

/** Throws when the cost is not an integer from 1. */
export function Limit(limited: Limited): MethodDecorator {
  const { cost } = withDefaults(limited);
  if (!Number.isInteger(cost) || cost < 1) throw new Error(`A route cannot cost ${cost}: give it an integer from 1.`);
  return RouteSettings({ limited });
}

export function withDefaults(limited: Limited): Required<Limited> {
  const { limit = 'standard', cost = 1, searchBy = [] } = limited;
  return { limit, cost, searchBy };
}
