// What the outside may know of a route, said once: OpenAPI, status code, permission, limit, representation headers.
import { applyDecorators, HttpCode, SetMetadata, type Type } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiHeader,
  ApiOperation,
  ApiResponse,
  type ApiResponseOptions,
} from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import { ProblemDto } from '../dto/problem.dto.js';
import { HttpErrors } from '../http.errors.js';
import type { Permission } from '../permissions.js';
import { Limit, type Limited } from './limited.decorator.js';
import { ETAG, LINK, LOCATION, problemResponses, RATE_LIMIT, REQUEST_ID } from './openapi-responses.js';
import { Public } from './public.decorator.js';

/** Metadata key of the permission a route needs. */
export const REQUIRES = 'requires';

interface DeclaredError {
  readonly code: string;
}

interface EndpointOptions extends Limited {
  summary: string;
  description?: string;
  /** The DTO of the answer; none means an empty body. */
  returns?: Type;
  /** Default 200, or 204 without `returns`. */
  status?: number;
  /** What this route refuses beyond what every route refuses. */
  errors?: DeclaredError[];
  /** The answer is one resource with a version: ETag, 304. */
  versioned?: boolean;
  /** The route takes If-Match. */
  conditional?: boolean;
  /** The answer is a page: Link header. */
  paged?: boolean;
  /** No access token needed. `optional`: whoever sends one is known by it. */
  public?: boolean | 'optional';
  requires?: Permission;
}

const IF_MATCH = {
  name: 'If-Match',
  required: false,
  description: 'The ETag that the change starts from: 412 when it is stale',
};

export function Endpoint(options: EndpointOptions): MethodDecorator {
  const { returns, versioned = false, paged = false } = options;
  const status = options.status ?? (returns ? 200 : 204);
  return applyDecorators(
    ApiExtraModels(ProblemDto),
    HttpCode(status),
    RouteConfig({ versioned, paged }),
    ApiOperation({ summary: options.summary, ...(options.description && { description: options.description }) }),
    ApiResponse(success(status, options)),
    ...problemResponses(codesOf(options), limitOf(options)).map((problem) => ApiResponse(problem)),
    Limit(options),
    ...(options.conditional ? [ApiHeader(IF_MATCH)] : []),
    ...(options.public ? [Public(options.public)] : []),
    ...(options.public === true ? [] : [ApiBearerAuth()]),
    ...(options.requires ? [SetMetadata(REQUIRES, options.requires)] : []),
  );
}

function success(status: number, options: EndpointOptions): ApiResponseOptions {
  const { returns, versioned, paged } = options;
  const headers = {
    ...REQUEST_ID,
    ...limitOf(options),
    ...((versioned || paged) && ETAG),
    ...(versioned && (status === 201 || status === 202) && LOCATION),
    ...(paged && LINK),
  };
  return { status, description: STATUS_CODES[status] ?? '', headers, ...(returns && { type: returns }) };
}

function limitOf({ limit }: EndpointOptions): Partial<typeof RATE_LIMIT> {
  return limit === 'none' ? {} : RATE_LIMIT;
}

function codesOf(options: EndpointOptions): string[] {
  const always = [HttpErrors.VALIDATION_FAILED, HttpErrors.INTERNAL_ERROR, HttpErrors.SERVICE_UNAVAILABLE];
  const access = options.public === true ? [] : [HttpErrors.UNAUTHENTICATED, HttpErrors.AUTH_TOKEN_INVALID];
  const permission = options.requires ? [HttpErrors.FORBIDDEN] : [];
  const limit = options.limit === 'none' ? [] : [HttpErrors.RATE_LIMITED];
  const stale = options.conditional ? [HttpErrors.VERSION_STALE, HttpErrors.CONFLICT] : [];
  return [...always, ...limit, ...access, ...permission, ...stale, ...(options.errors ?? [])].map(
    (error) => error.code,
  );
}
