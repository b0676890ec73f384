// Parameter decorators that pass the current user to a route.
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../access/permissions.js';

/** Only for routes that are not public: there the guard sets the user. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  const { user } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!user) throw new Error('@CurrentUser() is used on a public route. Remove @Public(), or use @PossibleUser().');
  return user;
});

/** For routes with `public: 'optional'`: undefined when the request has no access token. */
export const PossibleUser = createParamDecorator(
  (_: unknown, context: ExecutionContext): Actor | undefined =>
    context.switchToHttp().getRequest<FastifyRequest>().user,
);
