// What may happen to a task, where more than the statement decides.
import { Injectable } from '@nestjs/common';
import type { Page } from '../common/dto/page.dto.js';
import { HttpErrors } from '../common/http.errors.js';
import { type Actor, can } from '../common/permissions.js';
import type { ListTasksQuery } from './dto/task.dto.js';
import type { Task } from './task.entity.js';
import { TasksRepository } from './tasks.repository.js';

@Injectable()
export class TasksService {
  constructor(private readonly tasks: TasksRepository) {}

  /** The caller's own; with `deleted` everyone's deleted ones. Throws FORBIDDEN. */
  list(actor: Actor, query: ListTasksQuery): Promise<Page<Task>> {
    if (!query.deleted) return this.tasks.listOwned(actor, query);
    if (!can(actor, 'deleted:read')) throw HttpErrors.FORBIDDEN('deleted:read');
    return this.tasks.listDeleted(query);
  }
}
