// Lists tasks: checks the permission for deleted ones.
import { Injectable } from '@nestjs/common';
import { HttpErrors } from '../common/http/http.errors.js';
import type { Rendered } from '../common/http/hooks/representation.hooks.js';
import { type Actor, can, DeletedPermissions } from '../common/access/permissions.js';
import { type ListTasksQuery, renderTasks } from './dto/task.dto.js';
import { TasksRepository } from './tasks.repository.js';

@Injectable()
export class TasksService {
  constructor(private readonly tasks: TasksRepository) {}

  /** Lists the caller's tasks; with `deleted`, the deleted tasks of all users. Throws FORBIDDEN. */
  async list(actor: Actor, query: ListTasksQuery): Promise<Rendered> {
    if (!query.deleted) return this.tasks.cachedList(actor, query, renderTasks);
    if (!can(actor, DeletedPermissions.read)) throw HttpErrors.FORBIDDEN(DeletedPermissions.read);
    return renderTasks(await this.tasks.listDeleted(query));
  }
}
