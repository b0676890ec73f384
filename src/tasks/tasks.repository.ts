// The tasks table and the texts of tasks. The statements themselves check who may access a row.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import type { Page, PageRequest } from '../common/repositories/page.js';
import type { PageQuery } from '../common/repositories/page-query.js';
import type { Actor } from '../common/access/permissions.js';
import {
  BaseRepository,
  type ChangeRequest,
  type KeyRange,
  type Purged,
  type SortColumn,
} from '../common/repositories/base.repository.js';
import { RepositoryTools } from '../common/repositories/repository-tools.js';
import { columnsOf } from '../common/repositories/to-entity.js';
import { escapeLike } from '../shared/libs/text.js';
import { TaskCreations } from './task-creations.repository.js';
import { Task, type TaskStatus } from './task.entity.js';
import { listTag, taskTag, ownedKey } from './tasks.cache.js';
import { TASK_EVENT_SHAPE, TaskDeleted, TaskRestored, TaskUpdated } from './tasks.events.js';
import { TaskErrors } from './tasks.errors.js';
import { TaskSettings } from './tasks.settings.js';

/** A task without due time sorts as the latest: last by `dueAt`, first by `-dueAt`. The indexes use the same expression. */
const DUE = "coalesce(row.due_at, 'infinity')";

/** A shorter text has no trigram, so no index finds it. */
const MIN_INDEXED_TEXT = 3;
/** With more matches than this, the list reads tasks in its own order: it fills a page soon. */
const MAX_TEXT_MATCHES = 200;

export interface TasksRequest extends PageRequest {
  status?: TaskStatus;
  priority?: number;
  /** Part of the title or description. */
  q?: string;
  dueBefore?: Date;
}

/** Returns the pattern of ILIKE. */
const containing = (text: string): string => `%${escapeLike(text)}%`;

@Injectable()
export class TasksRepository extends BaseRepository<Task> {
  private columnList: string | undefined;
  private readonly creations: TaskCreations;
  protected readonly entity = Task;
  protected readonly eventShape = TASK_EVENT_SHAPE;
  protected readonly sorts: Record<string, SortColumn<Task>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
    updatedAt: { sql: 'row.updated_at', type: 'timestamptz', value: (row) => row.updatedAt },
    priority: { sql: 'row.priority', type: 'integer', value: (row) => row.priority },
    dueAt: { sql: DUE, type: 'timestamptz', value: (row) => row.dueAt ?? 'infinity' },
  };

  constructor(
    tools: RepositoryTools,
    private readonly settings: TaskSettings,
  ) {
    super(tools);
    this.creations = new TaskCreations(tools, settings);
  }

  /** Throws QUOTA_EXCEEDED, ChangeTooLateError. */
  create(actor: Actor, value: Partial<Task>): Promise<Task> {
    return this.creations.create(actor, value);
  }

  /** Creates all tasks or none. Throws QUOTA_EXCEEDED, ChangeTooLateError. */
  createAll(actor: Actor, values: ReadonlyArray<Partial<Task>>): Promise<Task[]> {
    return this.creations.createAll(actor, values);
  }

  private get columns(): string {
    return (this.columnList ??= columnsOf(this.transaction.manager, Task, 't'));
  }

  /** Returns a task of the actor. Throws NOT_FOUND. */
  async getOwned(actor: Actor, uuid: string): Promise<Task> {
    const task = await this.findOwned(actor, uuid);
    if (!task) throw TaskErrors.NOT_FOUND(uuid);
    return task;
  }

  /** The most frequent read: a named statement. `IS TRUE` keeps PostgreSQL on the index of the UUID (see `changeStatement`). */
  async findOwned(actor: Actor, uuid: string): Promise<Task | null> {
    const [row] = await this.transaction.read({
      name: 'task-get-owned',
      text: `SELECT ${this.columns} FROM tasks t WHERE uuid = $1 AND (owner_id = $2) IS TRUE AND deleted_at IS NULL`,
      values: [uuid, actor.key],
    });
    return row ? this.toEntity(row) : null;
  }

  /** Returns what `represent` makes of the task, cached per caller. Throws NOT_FOUND. */
  async cachedOwned<T>(actor: Actor, uuid: string, represent: (task: Task) => T): Promise<T> {
    const found = await this.cache.wrap(ownedKey(actor, uuid), this.tools.cached(taskTag(uuid)), async () => {
      const task = await this.findOwned(actor, uuid);
      return task && represent(task);
    });
    if (!found) throw TaskErrors.NOT_FOUND(uuid);
    return found;
  }

  /** Returns what `cachedOwned` would, if this process holds it in memory. */
  peekOwned<T>(actor: Actor, uuid: string): T | undefined {
    return this.cache.peek(ownedKey(actor, uuid));
  }

  /**
   * Returns what `represent` makes of the page. The first page of a list without `q` and `dueBefore` is cached; for other pages,
   * only simultaneous requests share a result.
   */
  async cachedList<T>(actor: Actor, query: TasksRequest, represent: (page: Page<Task>) => T): Promise<T> {
    const { limit, sort, status, priority, q, dueBefore, cursor } = query;
    const key = `tasks:${actor.id}:${JSON.stringify([limit, sort, status, priority, q, dueBefore, cursor])}`;
    const isCacheable = q === undefined && dueBefore === undefined && cursor === undefined; // these have too many values to cache
    // Each write of the owner ends a page. Sharing it with other processes costs three steps in Redis, as much as loading it.
    const options = { ...this.tools.cached(listTag(actor.id)), shared: false };
    const load = async (): Promise<T> => represent(await this.listOwned(actor, query));
    return (await this.cache.wrap(key, isCacheable ? options : { ...options, ttl: 0 }, load)) as T;
  }

  /** Reads tasks and texts of this owner only, however many others have the same text. */
  async listOwned(actor: Actor, query: TasksRequest): Promise<Page<Task>> {
    const few = await this.findFew(actor.key, query.q);
    const rows = this.pageQuery('present').where('row.owner_id = :owner', { owner: actor.key });
    if (few) rows.where('row.id = ANY (:few)', { few });
    return this.list(rows, query);
  }

  listDeleted(query: TasksRequest): Promise<Page<Task>> {
    return this.list(this.pageQuery('deleted'), query);
  }

  /** Changes a task of the actor. Throws what `change` throws. */
  updateOwned(actor: Actor, uuid: string, patch: Partial<Task>, expected: ExpectedVersions): Promise<Task> {
    return this.change(patch, this.ownedRequest(actor, uuid, expected, TaskUpdated));
  }

  /** Deletes a task of the actor softly. Throws NOT_FOUND, VERSION_STALE. */
  deleteOwned(actor: Actor, uuid: string, expected: ExpectedVersions): Promise<Task> {
    return this.remove(this.ownedRequest(actor, uuid, expected, TaskDeleted));
  }

  private ownedRequest(
    actor: Actor,
    uuid: string,
    expected: ExpectedVersions,
    event: typeof TaskUpdated,
  ): ChangeRequest<Task> {
    const tags = [taskTag(uuid), listTag(actor.id)];
    return { where: { uuid, ownerId: actor.key }, expected, tags, event, missing: () => TaskErrors.NOT_FOUND(uuid) };
  }

  /** True when the owner has or had a task: the count row is created with the first task, and stays after a purge. */
  async hasEverOwned(ownerKey: string): Promise<boolean> {
    return (await this.findCount(ownerKey)) !== null;
  }

  /** Purges tasks of the range that were deleted more than `days` ago. No other table refers to a task. */
  purge(range: KeyRange, days: number): Promise<Purged> {
    const isOver = `old.deleted_at < now() - $4::integer * interval '1 day'`;
    return this.purgeRange(range, isOver, [days], 'deleted_at IS NOT NULL');
  }

  /** Restores a deleted task of any owner. Throws NOT_FOUND unless the task is deleted, and QUOTA_EXCEEDED. */
  undelete(uuid: string): Promise<Task> {
    return this.transaction.run(async () => {
      const task = await this.restore({
        where: { uuid },
        tags: [taskTag(uuid)],
        event: TaskRestored,
        missing: () => TaskErrors.NOT_FOUND(uuid),
      });
      await this.expectWithinQuota(task.ownerId);
      await this.cache.invalidate([listTag(task.ownerUuid)]);
      return task;
    });
  }

  /** Checks the quota after a restore; a trigger has counted the restored task. */
  private async expectWithinQuota(ownerId: string): Promise<void> {
    const { quota } = this.settings;
    if (((await this.findCount(ownerId)) ?? 0) > quota) throw TaskErrors.QUOTA_EXCEEDED(quota);
  }

  /** Returns the number of tasks that are not deleted; null when the owner never had one. */
  private async findCount(ownerKey: string): Promise<number | null> {
    const [row] = await this.transaction.query<{ tasks: number }>({
      name: 'tasks-count',
      text: 'SELECT tasks FROM task_counts WHERE owner_id = $1',
      values: [ownerKey],
    });
    return row?.tasks ?? null;
  }

  /**
   * Returns the keys of the owner's tasks that contain the text; null when there are many, or when no index finds the text. Triggers
   * keep `task_texts` equal to the tasks (migration 1764000081000). MATERIALIZED: PostgreSQL then plans without regard to the LIMIT;
   * with regard to it, it would read the texts of all owners in the hope of an early end. It has no name, so that PostgreSQL plans it for this text.
   */
  private async findFew(ownerKey: string, q: string | undefined): Promise<string[] | null> {
    if (q === undefined || Array.from(q).length < MIN_INDEXED_TEXT) return null;
    const found = await this.transaction.query<{ id: string }>({
      text: `
        WITH matching AS MATERIALIZED (SELECT task_id AS id FROM task_texts WHERE owner_id = $1 AND text ILIKE $2)
        SELECT id FROM matching LIMIT ${MAX_TEXT_MATCHES + 1}`,
      values: [ownerKey, containing(q)],
    });
    return found.length > MAX_TEXT_MATCHES ? null : found.map(({ id }) => id);
  }

  private list(rows: PageQuery, query: TasksRequest): Promise<Page<Task>> {
    if (query.status !== undefined) rows.where('row.status = :status', { status: query.status });
    if (query.priority !== undefined) rows.where('row.priority = :priority', { priority: query.priority });
    if (query.dueBefore !== undefined) rows.where(`${DUE} < :dueBefore`, { dueBefore: query.dueBefore });
    if (query.q !== undefined) rows.where('row.title ILIKE :q OR row.description ILIKE :q', { q: containing(query.q) });
    return this.page(rows, query);
  }
}
