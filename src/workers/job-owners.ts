// Who the owners of jobs are today: workers ask, and the feature module that keeps accounts answers.
import type { Role } from '../common/access/permissions.js';

/** An abstraction because the layers demand it: workers stand below the accounts. */
export abstract class JobOwners {
  /** Never from a cache. Null: the account is gone. `key`: its internal one. */
  abstract findRole(key: string): Promise<Role | null>;
}
