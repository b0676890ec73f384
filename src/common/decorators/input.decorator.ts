// Parameter decorators for route input; each contains its validation, so that no input goes unchecked.
import { Body, createParamDecorator, type ExecutionContext, Query } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { HttpErrors } from '../http/http.errors.js';
import { createValidationPipe } from '../http/pipes/validation.pipe.js';

const validation = createValidationPipe();

/** The JSON body as its DTO class. Not a global pipe: that would cost every other parameter several promises. */
export const JsonBody = (): ParameterDecorator => Body(validation);

/** The query as its DTO class. */
export const QueryParams = (): ParameterDecorator => Query(validation);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Returns a UUID in its canonical form (RFC 9562). Throws VALIDATION_FAILED. */
export function parseUuid(field: string, value: string): string {
  const message = `${field} must be a UUID`;
  if (!UUID.test(value)) throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field, rule: 'isUuid', message }]);
  return value.toLowerCase();
}

const FromPath = createParamDecorator((name: string, context: ExecutionContext): string => {
  const params = context.switchToHttp().getRequest<FastifyRequest>().params as Record<string, string>;
  return parseUuid(name, params[name] ?? '');
});

/** The `:id` of a route, a UUID. */
export const Id = (): ParameterDecorator => (target, key, index) => {
  FromPath('id')(target, key, index);
  const method = Object.getOwnPropertyDescriptor(target, key as string) as TypedPropertyDescriptor<unknown>;
  ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } })(target, key as string, method);
};
