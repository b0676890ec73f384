// The endpoint to cancel one's own requests while they run.
import { Controller, createParamDecorator, Delete, type ExecutionContext } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { HttpErrors } from '../common/http/http.errors.js';
import type { Actor } from '../common/access/permissions.js';
import { RequestsService } from './requests.service.js';

const ID = /^[A-Za-z0-9._-]{1,64}$/;

/** A valid X-Request-Id; unlike other ids it need not be a UUID. */
export const RequestId = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { requestId } = context.switchToHttp().getRequest<FastifyRequest>().params as { requestId: string };
  if (ID.test(requestId)) return requestId;
  const message = 'requestId must be 1 to 64 of A-Z a-z 0-9 . _ -';
  throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field: 'requestId', rule: 'matches', message }]);
});

@ApiTags('Requests')
@Controller('requests')
export class RequestsController {
  constructor(private readonly requests: RequestsService) {}

  @Delete(':requestId')
  @ApiParam({ name: 'requestId', schema: { type: 'string', minLength: 1, maxLength: 64, pattern: ID.source } })
  @Endpoint({
    summary: 'Cancel a request in flight',
    description:
      "One of the caller's own, by the `X-Request-Id` that it was sent with, on whichever instance serves it. " +
      'That request answers 499 (`REQUEST_CANCELLED`) at once, and its SQL stops in the database. Of several with this ' +
      'id all are cancelled. A change that is just being committed is made all the same.',
    errors: [HttpErrors.REQUEST_NOT_FOUND],
  })
  async cancel(@CurrentUser() actor: Actor, @RequestId() id: string): Promise<void> {
    if (!(await this.requests.cancel(actor, id))) throw HttpErrors.REQUEST_NOT_FOUND(id);
  }
}
