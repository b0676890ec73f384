// DTOs of tasks: request and response shapes, and the mapper.
import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import {
  EnumField,
  IntField,
  IntQuery,
  ObjectListField,
  TextField,
  TimeField,
} from '../../common/decorators/fields.decorator.js';
import { PageOf, RestorablePageQuery, SortField } from '../../common/dto/page.dto.js';
import { type Rendered, renderPage, renderResource } from '../../common/http/hooks/representation.hooks.js';
import type { Page } from '../../common/repositories/page.js';
import { type Task, TASK_STATUSES, type TaskStatus } from '../task.entity.js';

const MAX_IN_BULK = 500;

export class CreateTaskDto {
  @TextField({ max: 200, example: 'Buy milk' })
  title!: string;

  @TextField({ multiline: true, max: 10_000, optional: true, default: '', example: 'Two bottles' })
  description?: string;

  @EnumField({ name: 'TaskStatus', values: TASK_STATUSES, optional: true, default: 'TODO' })
  status?: TaskStatus;

  @IntField({ min: 1, max: 5, optional: true, default: 3, description: '1 (least) to 5 (most urgent)' })
  priority?: number;

  @TimeField({ optional: true, nullable: true, description: 'Null: no due time' })
  dueAt?: Date | null;
}

/** Body of PUT and PATCH: absent members stay unchanged. */
export class ChangeTaskDto extends PartialType(CreateTaskDto, { skipNullProperties: false }) {}

export class CreateTasksDto {
  @ObjectListField(CreateTaskDto, { items: MAX_IN_BULK })
  tasks!: CreateTaskDto[];
}

/** Filters that may read all tasks of an owner, because no index covers them in every order. */
export const SEARCH_FILTERS = ['q', 'dueBefore', 'priority'] as const;

export class ListTasksQuery extends RestorablePageQuery {
  @SortField(['-createdAt', 'createdAt', '-updatedAt', 'updatedAt', '-priority', 'priority', '-dueAt', 'dueAt'])
  sort = '-createdAt';

  @EnumField({ name: 'TaskStatus', values: TASK_STATUSES, optional: true })
  status?: TaskStatus;

  @IntQuery({ min: 1, max: 5 })
  priority?: number;

  @TextField({ max: 200, optional: true, description: 'Part of the title or description, in any case' })
  q?: string;

  @TimeField({ optional: true, description: 'Only tasks that are due before' })
  dueBefore?: Date;
}

export class TaskDto {
  @ApiProperty({ format: 'uuid', example: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11' })
  id!: string;

  @ApiProperty({ format: 'uuid' })
  ownerId!: string;

  @ApiProperty({ example: 'Buy milk' })
  title!: string;

  @ApiProperty({ example: 'Two bottles' })
  description!: string;

  @ApiProperty({ enum: TASK_STATUSES, enumName: 'TaskStatus', example: 'TODO' })
  status!: TaskStatus;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: 5, example: 3 })
  priority!: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  dueAt!: Date | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: Date;

  @ApiProperty({ type: 'integer', example: 1, description: 'Also the ETag' })
  version!: number;

  @ApiPropertyOptional({ format: 'date-time', description: 'Only of deleted tasks' })
  deletedAt?: Date;
}

export class TaskPage extends PageOf(TaskDto) {}

export class CreatedTasksDto {
  @ApiProperty({ type: [TaskDto] })
  items!: TaskDto[];
}

export function renderTask(task: Task): Rendered {
  return renderResource(toTaskDto(task));
}

export function renderTasks({ items, nextCursor }: Page<Task>): Rendered {
  return renderPage({ items: items.map(toTaskDto), nextCursor });
}

export function toTaskDto(task: Task): TaskDto {
  return {
    id: task.uuid,
    ownerId: task.ownerUuid,
    title: task.title,
    description: task.description,
    status: task.status,
    priority: task.priority,
    dueAt: task.dueAt,
    createdAt: task.createdAt,
    updatedAt: task.updatedAt,
    version: task.version,
    ...(task.deletedAt && { deletedAt: task.deletedAt }),
  };
}
