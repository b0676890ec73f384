// Checks that an attempt may begin: the type has a handler, the payload is valid and the owner still has the permission.
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { can } from '../../common/access/permissions.js';
import { AppError } from '../../shared/libs/app-error.js';
import type { Claim } from './job-queue.repository.js';
import { JobOwners } from '../job-owners.js';
import { checkPayload } from '../job-payload.js';
import { JobRegistry } from './job-registry.js';
import { type JobDefinition, type JobHandler, UnrecoverableError } from '../job.js';
import { JobErrors } from '../jobs.errors.js';

export interface PreparedAttempt {
  job: JobDefinition;
  handler: JobHandler<object>;
  payload: object;
}

@Injectable()
export class AttemptPreparer implements OnModuleInit {
  private owners!: JobOwners;

  constructor(
    private readonly registry: JobRegistry,
    private readonly modules: ModuleRef,
  ) {}

  /** Looked up at runtime: the module that provides JobOwners is above this one and cannot be imported here. */
  onModuleInit(): void {
    this.owners = this.modules.get(JobOwners, { strict: false });
  }

  /**
   * Runs before each attempt, also after a replay, because the owner's role or the payload rules may have changed since the
   * enqueue. Throws TYPE_UNHANDLED, OWNER_NOT_ALLOWED, PAYLOAD_INVALID.
   */
  async prepare(claim: Claim): Promise<PreparedAttempt> {
    const found = this.registry.find(claim.type);
    if (!found) throw JobErrors.TYPE_UNHANDLED(claim.type);
    await this.expectAllowedOwner(found.job, claim.owner_id);
    return { ...found, payload: await this.readPayload(found.job, claim) };
  }

  /** Returns undefined when this version of the application does not know the type. */
  findJob(type: string): JobDefinition | undefined {
    return this.registry.find(type)?.job;
  }

  /** Checks the owner's permission, even when an administrator replays the job. Jobs of the system have no owner. */
  private async expectAllowedOwner({ requestable }: JobDefinition, ownerKey: string | null): Promise<void> {
    if (ownerKey === null) return;
    const role = await this.owners.findRole(ownerKey);
    const permission = requestable === 'anyone' ? undefined : requestable;
    if (role === null || (permission && !can({ role }, permission)))
      throw new UnrecoverableError(JobErrors.OWNER_NOT_ALLOWED(role === null ? null : (permission ?? null)));
  }

  private readPayload(job: JobDefinition, claim: Claim): Promise<object> {
    return checkPayload(job, claim.payload).catch((error: unknown) => {
      throw error instanceof AppError ? new UnrecoverableError(JobErrors.PAYLOAD_INVALID(error.message)) : error;
    });
  }
}
