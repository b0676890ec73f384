// Creates tasks: simultaneous creates of one owner share a statement, a commit and a message to the caches.
import type { EntityMetadata } from 'typeorm';
import { newUuid } from '../shared/libs/new-uuid.js';
import type { Actor, Owner } from '../common/access/permissions.js';
import { HttpErrors } from '../common/http/http.errors.js';
import { recordRows } from '../common/repositories/event-of-row.js';
import type { RepositoryTools } from '../common/repositories/repository-tools.js';
import { columnsOf, toEntity } from '../common/repositories/to-entity.js';
import { sqlStateOf } from '../shared/database/sql-state.js';
import { type EventOrigin, eventOrigin } from '../shared/events/record-events.js';
import { AppError } from '../shared/libs/app-error.js';
import { createKeyedBatcher } from '../shared/libs/batcher.js';
import { runFor, type RunningRequest, runningRequest } from '../shared/logging/request-context.js';
import { Task } from './task.entity.js';
import { listTag } from './tasks.cache.js';
import { TaskErrors } from './tasks.errors.js';
import { TASK_EVENT_SHAPE, TaskCreated } from './tasks.events.js';
import type { TaskSettings } from './tasks.settings.js';

/** Counts first: the row lock serializes simultaneous creates of one owner, and each sees the quota that is left. */
const CREATE = `
  WITH wanted AS (
    SELECT * FROM unnest(
      $5::bigint[], $6::uuid[], $7::varchar[], $8::text[], $9::task_status[], $10::smallint[], $11::timestamptz[],
      $13::uuid[], $14::varchar[], $15::varchar[]
    ) AS new (id, uuid, title, description, status, priority, due_at, actor, request, address)
  ), counted AS (
    INSERT INTO task_counts AS old_count (owner_id, tasks) SELECT $1::bigint, $3::integer WHERE $3 <= $4::integer AND clock_timestamp() < $12::timestamptz
    ON CONFLICT (owner_id) DO UPDATE SET tasks = old_count.tasks + excluded.tasks WHERE old_count.tasks + excluded.tasks <= $4
    RETURNING owner_id
  ), inserted AS (
    INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, description, status, priority, due_at)
    SELECT id, uuid, owner_id, $2::uuid, title, coalesce(description, ''), coalesce(status, 'TODO'), coalesce(priority, 3), due_at
    FROM counted CROSS JOIN wanted
    RETURNING tasks.*
  )`;
/** Maximum creates in one statement: indexing the texts of each takes up to 30 ms. */
const MAX_GATHERED = 50;

/** A task to create, and who asks for it. */
interface Creation {
  owner: Owner;
  uuid: string;
  value: Partial<Task>;
  origin: EventOrigin;
  running: RunningRequest | undefined;
}

export class TaskCreations {
  private statement: string | undefined;
  private readonly gathered = createKeyedBatcher((creations: Creation[]) => this.createGathered(creations), {
    maxItems: MAX_GATHERED,
  });

  constructor(
    private readonly tools: RepositoryTools,
    private readonly settings: TaskSettings,
  ) {}

  /**
   * Creates a task. Those of one owner that wait for each other's commit share the next statement. Throws QUOTA_EXCEEDED,
   * ChangeTooLateError.
   */
  async create(actor: Actor, value: Partial<Task>): Promise<Task> {
    const creation = creationOf(actor, value);
    if (this.tools.transaction.isRunning) return (await this.insert([creation]))[0] as Task;
    const created = await this.gathered(actor.key, creation);
    if (created instanceof Error) throw created;
    return created;
  }

  /** Creates all tasks or none. Simultaneous creates of one owner wait for each other's commit. Throws QUOTA_EXCEEDED, ChangeTooLateError. */
  createAll(actor: Actor, values: ReadonlyArray<Partial<Task>>): Promise<Task[]> {
    return this.insert(values.map((value) => creationOf(actor, value)));
  }

  /** A group runs outside of any request: a client that leaves must not cancel the creates of others. */
  private async createGathered(creations: Creation[]): Promise<Array<Task | Error>> {
    const wanted = creations.filter(({ running }) => !running?.cancelled);
    let created: Array<Task | Error>;
    try {
      const [first] = wanted;
      const insert = (): Promise<Task[]> => this.insert(wanted);
      created = !first ? [] : wanted.length === 1 ? await runFor(first.running, insert) : await insert();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      created = [];
      for (const one of wanted) created.push(await this.insert([one]).then(([task]) => task as Task, asRefusal));
    }
    const byUuid = new Map(wanted.map(({ uuid }, at) => [uuid, created[at]]));
    return creations.map(({ uuid }) => byUuid.get(uuid) ?? HttpErrors.REQUEST_CANCELLED());
  }

  /** Inserts the tasks of one owner, all or none, and returns them in the same order. */
  private async insert(creations: readonly Creation[]): Promise<Task[]> {
    const { owner } = creations[0] as Creation;
    const ids: string[] = [];
    for (let n = 0; n < creations.length; n++) ids.push(await this.tools.ids.next());
    const column = <K extends keyof Task>(key: K) => creations.map(({ value }) => value[key] ?? null);
    const { quota } = this.settings;
    const create = () =>
      this.tools.cache.changing([listTag(owner.id)], async (deadline) => {
        const created = await this.tools.transaction.query({
          name: 'tasks-create',
          text: this.createText,
          values: [
            ...[owner.key, owner.id, creations.length, quota, ids, creations.map(({ uuid }) => uuid)],
            ...[column('title'), column('description'), column('status'), column('priority'), column('dueAt')],
            ...[deadline.sql, ...[0, 1, 2].map((at) => creations.map(({ origin }) => origin[at]))],
          ],
        });
        if (created.length < creations.length) await deadline.expectNotPassed();
        return created;
      });
    const rows = await this.tools.transaction.inTurn(`tasks:${owner.key}`, create);
    if (rows.length < creations.length) throw TaskErrors.QUOTA_EXCEEDED(quota);
    const byUuid = new Map(rows.map((row) => [row['uuid'], toEntity(this.tools.transaction.manager, Task, row)]));
    return creations.map(({ uuid }) => byUuid.get(uuid) as Task);
  }

  private get createText(): string {
    const { manager } = this.tools.transaction;
    return (this.statement ??= `${CREATE}, recorded AS (${recordCreated(manager.connection.getMetadata(Task))})
      SELECT ${columnsOf(manager, Task, 'inserted')} FROM inserted`);
  }
}

function creationOf({ id, key }: Owner, value: Partial<Task>): Creation {
  return { owner: { id, key }, uuid: newUuid(), value, origin: eventOrigin(), running: runningRequest() };
}

/** True when nothing was written, because of one of the rows. */
function isRefusal(error: unknown): error is Error {
  return error instanceof AppError || /^2[23]/.test(sqlStateOf(error) ?? '');
}

function asRefusal(error: unknown): Error {
  if (isRefusal(error)) return error;
  throw error;
}

function recordCreated(metadata: EntityMetadata): string {
  const origin = { actor: 'row.actor', request: 'row.request', address: 'row.address' };
  const from = '(SELECT inserted.*, actor, request, address FROM inserted JOIN wanted USING (uuid)) AS row';
  return recordRows(metadata, TASK_EVENT_SHAPE, TaskCreated, { changed: [], from, origin });
}
