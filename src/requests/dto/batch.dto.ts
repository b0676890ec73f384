// The public representation of a batch: requests and their responses.
import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { Allow, ArrayUnique, IsObject, IsOptional, ValidateBy } from 'class-validator';
import { EnumField, ObjectListField, TextField } from '../../common/decorators/fields.decorator.js';

const MAX_REQUESTS = 20;
const MAX_PATH = 2_000;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type BatchMethod = (typeof METHODS)[number];
/** All other headers belong to the batch itself or to its connection. */
const REQUEST_HEADERS = ['accept', 'idempotency-key', 'if-match', 'if-none-match'];

/**
 * True for a path in the form in which it is routed, without anything that a URL parser would resolve (`..`, `//`, fragments,
 * spaces). So the checked path is the one that runs.
 */
export function isPlainPath(path: unknown): boolean {
  if (typeof path !== 'string' || !path.startsWith('/api/') || !URL.canParse(path, 'http://api')) return false;
  const { pathname, hash } = new URL(path, 'http://api');
  return pathname === path.split('?', 1)[0] && hash === '' && !path.endsWith('#');
}

function isBatch(path: string): boolean {
  return /^\/api\/(v1\/)?batch(\?|$)/.test(path);
}

const IsPath = (): PropertyDecorator =>
  applyDecorators(
    ValidateBy({
      name: 'isPath',
      validator: {
        validate: isPlainPath,
        defaultMessage: (args) => `${args?.property} must be a plain, percent-encoded path under /api/`,
      },
    }),
    ValidateBy({
      name: 'isNoBatch',
      validator: {
        validate: (value) => typeof value !== 'string' || !isBatch(value),
        defaultMessage: (args) => `${args?.property} must not be a batch again`,
      },
    }),
  );

const AreHeaders = (): PropertyDecorator =>
  ValidateBy({
    name: 'areHeaders',
    validator: {
      validate: (value) =>
        Object.entries(Object(value) as object).every(
          ([name, text]) =>
            REQUEST_HEADERS.includes(name) && typeof text === 'string' && /^[\t\x20-\x7e]{0,1000}$/.test(text),
        ),
      defaultMessage: (args) =>
        `${args?.property} may have ${REQUEST_HEADERS.join(', ')}, each a line of up to 1000 ASCII characters`,
    },
  });

export class BatchRequestDto {
  @TextField({ max: 64 })
  id!: string;

  @EnumField({ name: 'BatchMethod', values: METHODS })
  method!: BatchMethod;

  @IsPath()
  @TextField({ max: MAX_PATH })
  path!: string;

  @Allow()
  body?: unknown;

  @AreHeaders()
  @IsObject()
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => lowerCased(value))
  headers?: Record<string, string>;
}

function lowerCased(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name.toLowerCase(), text as unknown]));
}

/** Written by hand: `id` is chosen by the caller and is not one of our ids, and a body may be any JSON. */
const REQUEST = {
  type: 'object' as const,
  required: ['id', 'method', 'path'],
  properties: {
    id: { type: 'string' as const, minLength: 1, maxLength: 64, description: 'Comes back with the answer' },
    method: { type: 'string' as const, enum: [...METHODS] },
    path: { type: 'string' as const, maxLength: MAX_PATH, pattern: '^/api/', description: 'May have a query' },
    body: { description: 'Any JSON; sent as application/json' },
    headers: {
      type: 'object' as const,
      properties: Object.fromEntries(
        REQUEST_HEADERS.map((name) => [name, { type: 'string' as const, maxLength: 1_000 }]),
      ),
      additionalProperties: false,
    },
  },
  additionalProperties: false,
};

export class BatchDto {
  @ObjectListField(BatchRequestDto, {
    items: MAX_REQUESTS,
    rules: [
      ArrayUnique((request: BatchRequestDto) => request.id, { message: 'each of requests must have its own id' }),
    ],
    schema: {
      type: 'array',
      items: REQUEST,
      example: [{ id: 'mine', method: 'GET', path: '/api/tasks?limit=5' }],
    },
  })
  requests!: BatchRequestDto[];
}

export interface BatchAnswer {
  id: string;
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

const ANSWER = {
  type: 'object' as const,
  required: ['id', 'status', 'headers', 'body'],
  properties: {
    id: { type: 'string' as const },
    status: { type: 'integer' as const, example: 200 },
    headers: { type: 'object' as const, additionalProperties: { type: 'string' as const } },
    body: { nullable: true, description: 'JSON as the request alone would have it; null when empty' },
  },
};

export class BatchResultDto {
  @ApiProperty({ type: 'array', items: ANSWER, description: 'In the order of the requests' })
  responses!: BatchAnswer[];
}
