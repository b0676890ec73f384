// Says how a route is limited; without it a request counts as one of its caller's.
import { RouteSettings } from './route-settings.decorator.js';

/**
 * `standard`: by user, else by address. `register`, `login`: by address, more strictly, each in a count of its own.
 * `password`: as strictly, by session.
 */
export type RouteLimit = 'standard' | 'register' | 'login' | 'password';

export interface Limited {
  /** Default `standard`: by user, else by address. */
  limit?: RouteLimit | 'none';
  /** As how many requests one counts. Default 1. */
  cost?: number;
  /** As how many it counts with a query parameter of `searchBy`, for which many rows are read. Default: as without. */
  searchCost?: number;
  /** Default `q` alone. */
  searchBy?: readonly string[];
}

/** Throws when a cost is not an integer from 1. */
export function Limit({ limit = 'standard', cost = 1, searchCost = cost, searchBy = ['q'] }: Limited): MethodDecorator {
  for (const one of [cost, searchCost])
    if (!Number.isInteger(one) || one < 1) throw new Error(`A route cannot cost ${one}: give it an integer from 1.`);
  return RouteSettings({ limited: { limit, cost, searchCost, searchBy } });
}
