// Operations on tasks: list, create, read, change, delete and restore.
import { Injectable } from '@nestjs/common';
import { type Actor, DeletedPermissions } from '../common/access/permissions.js';
import { PrivilegedAccess } from '../common/access/privileged-access.js';
import type { Rendered } from '../common/http/hooks/representation.hooks.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import {
  type ChangeTaskDto,
  type CreateTaskDto,
  type ListTasksQuery,
  renderTask,
  renderTasks,
} from './dto/task.dto.js';
import type { Task } from './task.entity.js';
import { TasksRepository } from './tasks.repository.js';

@Injectable()
export class TasksService {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly access: PrivilegedAccess,
  ) {}

  /** Lists the caller's tasks; with `deleted`, the deleted tasks of all users. Throws FORBIDDEN. */
  async list(actor: Actor, query: ListTasksQuery): Promise<Rendered> {
    if (!query.deleted) return this.tasks.cachedList(actor, query, renderTasks);
    await this.access.read(actor, DeletedPermissions.read);
    return renderTasks(await this.tasks.listDeleted(query));
  }

  /** Throws QUOTA_EXCEEDED. */
  create(actor: Actor, value: CreateTaskDto): Promise<Task> {
    return this.tasks.create(actor, value);
  }

  /** Creates all or none. Throws QUOTA_EXCEEDED. */
  createAll(actor: Actor, values: readonly CreateTaskDto[]): Promise<Task[]> {
    return this.tasks.createAll(actor, values);
  }

  /** Returns a task of the actor. Throws NOT_FOUND. */
  get(actor: Actor, id: string): Promise<Rendered> {
    return this.tasks.cachedOwned(actor, id, renderTask);
  }

  /** Returns what `get` would, if it is in memory. */
  peek(actor: Actor, id: string): Rendered | undefined {
    return this.tasks.peekOwned(actor, id);
  }

  /** Throws NOT_FOUND, VERSION_STALE. */
  update(actor: Actor, id: string, patch: ChangeTaskDto, expected: ExpectedVersions): Promise<Task> {
    return this.tasks.updateOwned(actor, id, patch, expected);
  }

  /** Deletes a task softly. Throws NOT_FOUND, VERSION_STALE. */
  async delete(actor: Actor, id: string, expected: ExpectedVersions): Promise<void> {
    await this.tasks.deleteOwned(actor, id, expected);
  }

  /** Restores a deleted task of any user. Throws NOT_FOUND, QUOTA_EXCEEDED. */
  restore(id: string): Promise<Task> {
    return this.tasks.undelete(id);
  }
}
