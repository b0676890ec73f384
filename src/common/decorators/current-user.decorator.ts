// Hands the caller to a route.
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../access/permissions.js';

/** Only for routes that are not public: the guard has set it there. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  const { user } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!user)
    throw new Error('@CurrentUser() stands on a public route. Remove @Public(), or read the caller otherwise.');
  return user;
});

/** For routes with `public: 'optional'`: undefined when nobody said who it is. */
export const PossibleUser = createParamDecorator(
  (_: unknown, context: ExecutionContext): Actor | undefined =>
    context.switchToHttp().getRequest<FastifyRequest>().user,
);
