// DTOs of events: the query of a poll, and the messages that every way to read them has.
import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { IntQuery, TextField } from '../../common/decorators/fields.decorator.js';
import { FileDto } from '../../files/dto/file.dto.js';
import { TaskDto } from '../../tasks/dto/task.dto.js';
import { MAX_EVENTS } from '../feeds/feeds.js';

const MAX_WAIT_SECONDS = 30;
const MAX_CURSOR = 40;

export class ReadEventsQuery {
  @TextField({
    max: MAX_CURSOR,
    optional: true,
    description: '`nextCursor` of the answer before. Without it the answer has no items, and the cursor of now',
  })
  after?: string;

  @IntQuery({
    min: 0,
    max: MAX_WAIT_SECONDS,
    default: 0,
    description: 'Seconds to wait for an event when there is none',
  })
  wait = 0;

  @IntQuery({
    min: 1,
    max: MAX_EVENTS,
    default: MAX_EVENTS,
    description: 'How many items at most; of very large ones there are fewer',
  })
  limit = MAX_EVENTS;
}

abstract class EventDto {
  @ApiProperty({ example: '5f0c9a1be4d2.42', description: 'The place behind this event' })
  cursor!: string;

  @ApiProperty({ format: 'date-time', description: 'When the change was made' })
  timestamp!: Date;
}

const TASK_EVENTS = ['TASK_CREATED', 'TASK_UPDATED', 'TASK_DELETED'] as const;
const FILE_EVENTS = ['FILE_CREATED', 'FILE_UPDATED', 'FILE_DELETED'] as const;
const JOB_ENDS = ['SUCCEEDED', 'FAILED', 'CANCELLED'] as const;

export class TaskEventDto extends EventDto {
  @ApiProperty({ enum: TASK_EVENTS, enumName: 'TaskEventType', description: 'A restored task is TASK_CREATED' })
  type!: (typeof TASK_EVENTS)[number];

  @ApiProperty({ type: TaskDto, description: 'After the change' })
  task!: TaskDto;
}

export class FileEventDto extends EventDto {
  @ApiProperty({ enum: FILE_EVENTS, enumName: 'FileEventType', description: 'A restored file is FILE_CREATED' })
  type!: (typeof FILE_EVENTS)[number];

  @ApiProperty({ type: FileDto, description: 'After the change' })
  file!: FileDto;
}

class EndedJobDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'report.pdf' })
  type!: string;

  @ApiProperty({ enum: JOB_ENDS, enumName: 'JobEnd', description: 'GET /api/jobs/:id has the result' })
  status!: (typeof JOB_ENDS)[number];
}

export class JobEventDto extends EventDto {
  @ApiProperty({ enum: ['JOB_DONE'], enumName: 'JobEventType' })
  type!: 'JOB_DONE';

  @ApiProperty({ type: EndedJobDto })
  job!: EndedJobDto;
}

const EVENTS = [TaskEventDto, FileEventDto, JobEventDto];

@ApiExtraModels(...EVENTS)
export class EventsDto {
  @ApiProperty({
    type: 'array',
    items: { oneOf: EVENTS.map((event) => ({ $ref: getSchemaPath(event) })) },
    description: 'In the order of the log',
  })
  items!: Array<TaskEventDto | FileEventDto | JobEventDto>;

  @ApiProperty({
    example: '5f0c9a1be4d2.42',
    description: 'For `?after=`: ask again, also after an answer without items',
  })
  nextCursor!: string;
}
