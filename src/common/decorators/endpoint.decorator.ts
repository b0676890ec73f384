// Declares the public contract of a route in one place: OpenAPI, status code, permission, limit, representation headers.
import { applyDecorators, HttpCode, SetMetadata, type Type } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiHeader,
  ApiOperation,
  ApiResponse,
  type ApiResponseOptions,
  ApiSecurity,
  getSchemaPath,
} from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import { ProblemDto } from '../dto/problem.dto.js';
import { HttpErrors } from '../http/http.errors.js';
import type { Permission } from '../access/permissions.js';
import { Limit, type Limited } from './limited.decorator.js';
import { ETAG, LINK, LOCATION, problemResponses, RATE_LIMIT, REQUEST_ID } from './openapi-responses.js';
import { Public } from './public.decorator.js';
import { RouteSettings } from './route-settings.decorator.js';

/** Metadata key of the permission that a route requires. */
export const REQUIRES = 'requires';

/** The largest body accepted without a token: several times the longest login or registration form. */
export const MAX_PUBLIC_BODY_BYTES = 16_384;

interface DeclaredError {
  readonly code: string;
}

interface EndpointOptions extends Limited {
  summary: string;
  description?: string;
  /** The DTO of the response; without it the body is empty. */
  returns?: Type;
  /** Default 200, or 204 without `returns`. */
  status?: number;
  /** The errors of this route beyond those of every route. */
  errors?: DeclaredError[];
  /** The response is one resource with a version: ETag, 304. */
  versioned?: boolean;
  /** The route accepts If-Match. */
  conditional?: boolean;
  /** The response is a page: Link header. */
  paged?: boolean;
  /** A further media type of the response, for clients whose Accept header prefers it. */
  orAs?: 'text/html' | 'text/csv' | 'text/event-stream';
  /** No access token is required. `optional`: a token that is sent identifies the user. */
  public?: boolean | 'optional';
  requires?: Permission;
  /**
   * For a route that is no GET and may have a large answer: bytes of the largest one, beyond those of the request's body. They
   * are reserved before it runs.
   */
  maxAnswerBytes?: number;
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
    ApiExtraModels(ProblemDto, ...(returns ? [returns] : [])),
    HttpCode(status),
    RouteSettings({
      ...{ versioned, paged, needsToken: !options.public },
      ...(options.public && { maxBodyBytes: MAX_PUBLIC_BODY_BYTES }),
      ...(options.maxAnswerBytes && { maxAnswerBytes: options.maxAnswerBytes }),
    }),
    ApiOperation({ summary: options.summary, ...(options.description && { description: options.description }) }),
    ApiResponse(success(status, options)),
    ...problemResponses(codesOf(options), options.limit !== 'none').map((problem) => ApiResponse(problem)),
    Limit(options),
    ...(options.conditional ? [ApiHeader(IF_MATCH)] : []),
    ...(options.public ? [Public(options.public)] : []),
    ...(options.public ? [ApiSecurity({})] : []), // no authentication; every other route needs the token
    ...(options.public === 'optional' ? [ApiBearerAuth()] : []),
    ...(options.requires ? [SetMetadata(REQUIRES, options.requires)] : []),
  );
}

function success(status: number, options: EndpointOptions): ApiResponseOptions {
  const { returns, versioned, paged } = options;
  const headers = {
    ...REQUEST_ID,
    ...(options.limit !== 'none' && RATE_LIMIT),
    ...((versioned || paged) && ETAG),
    ...(versioned && (status === 201 || status === 202) && LOCATION),
    ...(paged && LINK),
  };
  const description = STATUS_CODES[status] ?? '';
  if (!returns || !options.orAs) return { status, description, headers, ...(returns && { type: returns }) };
  const json = { schema: { $ref: getSchemaPath(returns) } };
  const text = { schema: { type: 'string' as const } };
  return { status, description, headers, content: { 'application/json': json, [options.orAs]: text } };
}

function codesOf(options: EndpointOptions): string[] {
  const always = [HttpErrors.VALIDATION_FAILED, HttpErrors.BAD_REQUEST, HttpErrors.INVALID_JSON];
  const access = options.public === true ? [] : [HttpErrors.UNAUTHENTICATED, HttpErrors.AUTH_TOKEN_INVALID];
  const permission = options.requires ? [HttpErrors.FORBIDDEN] : [];
  const limit = options.limit === 'none' ? [] : [HttpErrors.RATE_LIMITED];
  const stale = options.conditional ? [HttpErrors.VERSION_STALE, HttpErrors.CONFLICT] : [];
  const search = options.searchBy ? [HttpErrors.SEARCH_BUSY] : [];
  const page = options.paged ? [HttpErrors.INVALID_CURSOR] : [];
  const own = options.errors ?? [];
  return [...always, ...limit, ...access, ...permission, ...stale, ...page, ...search, ...own].map(({ code }) => code);
}
