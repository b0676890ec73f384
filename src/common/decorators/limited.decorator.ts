// Says how a route is limited; without it a request counts as one of its caller's.
import { RouteSettings } from './route-settings.decorator.js';

export interface Limited {
  /** `standard`: by user, else by address. `auth`: by address, more strictly, in a count of its own. Default `standard`. */
  limit?: 'standard' | 'auth' | 'none';
  /** As how many requests one counts. Default 1. */
  cost?: number;
  /** As how many it counts with the query parameter `q`, which reads many rows. Default: as without. */
  searchCost?: number;
}

/** Throws when a cost is not an integer from 1. */
export function Limit({ limit = 'standard', cost = 1, searchCost = cost }: Limited): MethodDecorator {
  for (const one of [cost, searchCost])
    if (!Number.isInteger(one) || one < 1) throw new Error(`A route cannot cost ${one}: give it an integer from 1.`);
  return RouteSettings({ limited: { limit, cost, searchCost } });
}
