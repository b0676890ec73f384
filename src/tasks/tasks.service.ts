// Lists tasks: checks the permission for deleted ones, and limits searches.
import { Injectable } from '@nestjs/common';
import { HttpErrors } from '../common/http/http.errors.js';
import { type Rendered, renderPage } from '../common/http/hooks/representation.hooks.js';
import { type Actor, can } from '../common/access/permissions.js';
import { SearchGate } from '../common/search-gate.js';
import { type ListTasksQuery, SEARCH_FILTERS, toTaskDto } from './dto/task.dto.js';
import { TasksRepository } from './tasks.repository.js';

@Injectable()
export class TasksService {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly searches: SearchGate,
  ) {}

  /** Lists the caller's tasks; with `deleted`, the deleted tasks of all users. Throws FORBIDDEN, SEARCH_BUSY. */
  list(actor: Actor, query: ListTasksQuery): Promise<Rendered> {
    const isSearch = SEARCH_FILTERS.some((filter) => query[filter] !== undefined);
    if (!isSearch) return this.read(actor, query);
    return this.searches.run(actor, () => this.read(actor, query));
  }

  private async read(actor: Actor, query: ListTasksQuery): Promise<Rendered> {
    if (!query.deleted) return this.tasks.renderList(actor, query);
    if (!can(actor, 'deleted:read')) throw HttpErrors.FORBIDDEN('deleted:read');
    const { items, nextCursor } = await this.tasks.listDeleted(query);
    return renderPage({ items: items.map(toTaskDto), nextCursor });
  }
}
