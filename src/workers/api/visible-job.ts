// Which jobs a user may see and cancel: the own ones; administrators those of all users.
import { type Actor, can, type Owner } from '../../common/access/permissions.js';
import { type JobsRepository } from '../engine/jobs.repository.js';
import type { Job } from '../job.entity.js';
import { JobErrors } from '../jobs.errors.js';
import { JobPermissions } from '../jobs.permissions.js';

/** Returns null for administrators: they are not limited to the jobs of one owner. */
export function scopeOf(actor: Actor): Owner | null {
  return can(actor, JobPermissions.read) ? null : actor;
}

/** Throws NOT_FOUND. */
export async function findVisible(jobs: JobsRepository, actor: Actor, id: string): Promise<Job> {
  const job = await jobs.find(id, scopeOf(actor));
  if (!job) throw JobErrors.NOT_FOUND(id);
  return job;
}
