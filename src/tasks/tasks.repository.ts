// The tasks table. The statements themselves check who may access a row.
import { Injectable } from '@nestjs/common';
import { Brackets } from 'typeorm';
import { v7 as uuidV7 } from 'uuid';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import type { Page, PageRequest } from '../common/repositories/page.js';
import type { Actor } from '../common/access/permissions.js';
import { BaseRepository, type KeyRange, type Purged, type SortColumn } from '../common/repositories/base.repository.js';
import { RepositoryTools } from '../common/repositories/repository-tools.js';
import { columnsOf } from '../common/repositories/to-entity.js';
import { escapeLike } from '../shared/libs/text.js';
import type { ReportTask } from './report/report-task.js';
import { Task, type TaskStatus } from './task.entity.js';
import { TaskErrors } from './tasks.errors.js';
import { TaskSettings } from './tasks.settings.js';

/** Cache tags: a change of a task invalidates its cached reads and the lists of its owner. */
const taskTag = (uuid: string): string => `task:${uuid}`;
const listTag = (ownerUuid: string): string => `tasks-of:${ownerUuid}`;

/** Sorts tasks without due time last; the indexes use the same expression. */
const DUE = "coalesce(row.due_at, 'infinity')";

const REPORT_PAGE = 500;

/** Counts first: the row lock serializes simultaneous creates of one owner, and each sees the quota that is left. */
const CREATE = `
  WITH counted AS (
    INSERT INTO task_counts AS had (owner_id, tasks) SELECT $1::bigint, $3::integer WHERE $3 <= $4::integer
    ON CONFLICT (owner_id) DO UPDATE SET tasks = had.tasks + excluded.tasks WHERE had.tasks + excluded.tasks <= $4
    RETURNING owner_id
  )
  INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, description, status, priority, due_at)
  SELECT id, uuid, owner_id, $2::uuid, title, coalesce(description, ''), coalesce(status, 'TODO'), coalesce(priority, 3), due_at
  FROM counted CROSS JOIN unnest(
      $5::bigint[], $6::uuid[], $7::varchar[], $8::text[], $9::task_status[], $10::smallint[], $11::timestamptz[]
    ) AS new (id, uuid, title, description, status, priority, due_at)
  RETURNING `;

export interface TasksRequest extends PageRequest {
  status?: TaskStatus;
  priority?: number;
  /** Part of the title or description. */
  q?: string;
  dueBefore?: Date;
}

interface ReportRow extends Pick<Task, 'id' | 'title' | 'status' | 'priority'> {
  due_at: Date | null;
  created_at: Date;
}

function toReportTask({ title, status, priority, due_at: due, created_at: created }: ReportRow): ReportTask {
  return { title, status, priority, dueAt: due?.toISOString() ?? null, createdAt: created.toISOString() };
}

@Injectable()
export class TasksRepository extends BaseRepository<Task> {
  private columnList: string | undefined;
  private createStatement: string | undefined;
  protected readonly entity = Task;
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
  }

  async create(actor: Actor, value: Partial<Task>): Promise<Task> {
    const [task] = await this.createAll(actor, [value]);
    return task as Task;
  }

  /** Creates all tasks or none. Simultaneous creates of one owner wait for each other's commit. Throws QUOTA_EXCEEDED. */
  async createAll(actor: Actor, values: ReadonlyArray<Partial<Task>>): Promise<Task[]> {
    const ids: string[] = [];
    for (let n = 0; n < values.length; n++) ids.push(await this.tools.ids.next());
    const column = <K extends keyof Task>(key: K) => values.map((value) => value[key] ?? null);
    const { quota } = this.settings;
    const create = () =>
      this.cache.changing([listTag(actor.id)], () =>
        this.transaction.query({
          name: 'tasks-create',
          text: this.createText,
          values: [
            ...[actor.key, actor.id, values.length, quota, ids, ids.map(() => uuidV7())],
            ...[column('title'), column('description'), column('status'), column('priority'), column('dueAt')],
          ],
        }),
      );
    const rows = await this.transaction.inTurn(`tasks:${actor.key}`, create);
    if (rows.length < values.length) throw TaskErrors.QUOTA_EXCEEDED(quota);
    return rows.map((row) => this.toEntity(row));
  }

  private get columns(): string {
    return (this.columnList ??= columnsOf(this.transaction.manager, Task, 't'));
  }

  private get createText(): string {
    return (this.createStatement ??= CREATE + columnsOf(this.transaction.manager, Task, 'tasks'));
  }

  /** Returns a task of the actor. Throws NOT_FOUND. */
  async getOwned(actor: Actor, uuid: string): Promise<Task> {
    const task = await this.findOwned(actor, uuid);
    if (!task) throw TaskErrors.NOT_FOUND(uuid);
    return task;
  }

  /** The most frequent read: a named statement, by the UUID alone (see `changeStatement`). */
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
    const found = await this.cache.wrap(`task:${actor.id}:${uuid}`, this.tools.cached(taskTag(uuid)), async () => {
      const task = await this.findOwned(actor, uuid);
      return task && represent(task);
    });
    if (!found) throw TaskErrors.NOT_FOUND(uuid);
    return found;
  }

  /**
   * Returns what `represent` makes of the page. The first page of a list without search is cached; for other pages, only
   * simultaneous requests share a result.
   */
  async cachedList<T>(actor: Actor, query: TasksRequest, represent: (page: Page<Task>) => T): Promise<T> {
    const { limit, sort, status, priority, q, dueBefore, cursor } = query;
    const key = `tasks:${actor.id}:${JSON.stringify([limit, sort, status, priority, q, dueBefore, cursor])}`;
    const isPlain = q === undefined && dueBefore === undefined && cursor === undefined; // the others have unlimited variants
    const options = this.tools.cached(listTag(actor.id));
    const load = async (): Promise<T> => represent(await this.listOwned(actor, query));
    return (await this.cache.wrap(key, isPlain ? options : { ...options, ttl: 0 }, load)) as T;
  }

  listOwned(actor: Actor, query: TasksRequest): Promise<Page<Task>> {
    return this.list(query, 'row.owner_id = :owner AND row.deleted_at IS NULL', { owner: actor.key });
  }

  listDeleted(query: TasksRequest): Promise<Page<Task>> {
    return this.list(query, 'row.deleted_at IS NOT NULL', {});
  }

  /** Changes a task of the actor. Throws NOT_FOUND, VERSION_STALE. */
  updateOwned(actor: Actor, uuid: string, patch: Partial<Task>, expected: ExpectedVersions): Promise<Task> {
    const where = { uuid, ownerId: actor.key };
    return this.cache.changing([taskTag(uuid), listTag(actor.id)], () =>
      this.change(patch, { where, expected, missing: () => TaskErrors.NOT_FOUND(uuid) }),
    );
  }

  /** Deletes a task of the actor softly. Throws NOT_FOUND, VERSION_STALE. */
  deleteOwned(actor: Actor, uuid: string, expected: ExpectedVersions): Promise<Task> {
    const where = { uuid, ownerId: actor.key };
    return this.cache.changing([taskTag(uuid), listTag(actor.id)], () =>
      this.remove({ where, expected, missing: () => TaskErrors.NOT_FOUND(uuid) }),
    );
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
      const task = await this.restore({ where: { uuid }, missing: () => TaskErrors.NOT_FOUND(uuid) });
      await this.expectWithinQuota(task.ownerId);
      await this.cache.invalidate([taskTag(uuid), listTag(task.ownerUuid)]);
      return task;
    });
  }

  /** Counts up to `limit` tasks of a report, and the bytes of their titles. */
  async measureReport(ownerKey: string, limit: number): Promise<{ tasks: number; titleBytes: number }> {
    const [row] = await this.transaction.query<{ tasks: string; bytes: string }>({
      name: 'tasks-measure-report',
      text: `SELECT count(*) AS tasks, coalesce(sum(octet_length(title)), 0) AS bytes
        FROM (SELECT title FROM tasks WHERE owner_id = $1 AND deleted_at IS NULL LIMIT $2) AS listed`,
      values: [ownerKey, limit],
    });
    return { tasks: Number(row?.tasks), titleBytes: Number(row?.bytes) };
  }

  /** Yields all tasks of the owner that are not deleted, oldest first. Plain rows: 10,000 entities would block the event loop. */
  async *pagesForReport(ownerKey: string): AsyncGenerator<ReportTask[]> {
    let last: { at: Date | string; id: string } = { at: '-infinity', id: '0' };
    for (;;) {
      const rows = await this.transaction.query<ReportRow>({
        name: 'tasks-for-report',
        text: `SELECT id, title, status, priority, due_at, created_at FROM tasks
          WHERE owner_id = $1 AND deleted_at IS NULL AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4`,
        values: [ownerKey, last.at, last.id, REPORT_PAGE],
      });
      const end = rows.at(-1);
      if (!end) return;
      yield rows.map(toReportTask);
      last = { at: end.created_at, id: end.id };
    }
  }

  /** Reads the users table in SQL, so that the module of tasks does not depend on the module of users. */
  async findOwnerName(ownerKey: string): Promise<string | null> {
    const [row] = await this.transaction.query<{ name: string | null }>({
      name: 'tasks-owner-name',
      text: 'SELECT coalesce(name, username, email) AS name FROM users WHERE id = $1',
      values: [ownerKey],
    });
    return row?.name ?? null;
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

  private list(query: TasksRequest, scope: string, values: Record<string, string>): Promise<Page<Task>> {
    const rows = this.rows().withDeleted().where(scope, values);
    if (query.status) rows.andWhere('row.status = :status', { status: query.status });
    if (query.priority) rows.andWhere('row.priority = :priority', { priority: query.priority });
    if (query.dueBefore) rows.andWhere(`${DUE} < :dueBefore`, { dueBefore: query.dueBefore });
    if (query.q !== undefined)
      rows.andWhere(new Brackets((any) => any.where('row.title ILIKE :q').orWhere('row.description ILIKE :q')), {
        q: `%${escapeLike(query.q)}%`,
      });
    return this.page(rows, query);
  }
}
