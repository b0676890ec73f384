// Routes whose body or answer is the bytes of a file: what Endpoint does not say of them. They stand above it.
import { applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiResponse } from '@nestjs/swagger';
import { RATE_LIMIT, REQUEST_ID } from '../common/decorators/openapi-responses.js';
import { FILE_FIELD, FORM_LIMITS } from './receive-file.js';

const BYTES = { type: 'string', format: 'binary' } as const;
const text = (description: string) => ({ description, schema: { type: 'string' as const } });

/** `multipartOptions` mark the route as one that takes a form; it replaces Endpoint's RouteConfig. */
export function TakesFile(): MethodDecorator {
  return applyDecorators(
    RouteConfig({ versioned: true, multipartOptions: { limits: FORM_LIMITS } }),
    ApiConsumes('multipart/form-data'),
    ApiBody({
      required: true,
      schema: { type: 'object', required: [FILE_FIELD], properties: { [FILE_FIELD]: BYTES } },
    }),
  );
}

export function AnswersFile(): MethodDecorator {
  return ApiResponse({
    status: 200,
    headers: {
      ...REQUEST_ID,
      ...RATE_LIMIT,
      ETag: text('The SHA-256 of the bytes in double quotes'),
      'Content-Disposition': text('The name of the file (RFC 6266)'),
    },
    content: { 'application/octet-stream': { schema: BYTES } },
  });
}
