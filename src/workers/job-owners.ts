// Contract to look up the current role of a job's owner; the module that manages accounts implements it.
import type { Role } from '../common/access/permissions.js';

/** Abstract because of the layers: workers are below the accounts and cannot import them. */
export abstract class JobOwners {
  /** Reads the database, never a cache. Returns null when the account no longer exists. `key`: the internal user id. */
  abstract findRole(key: string): Promise<Role | null>;
}
