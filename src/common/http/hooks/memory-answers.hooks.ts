// Answers a GET from memory before its request context and Nest's handler begin, which cost more than the answer itself.
import type { Type } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerRendered } from './representation.hooks.js';

/**
 * Adds a hook to each route with `@AnswerFromMemory`. Call after the hooks that read the token and count the request: a
 * request without a principal in memory, with a query or with a body goes on to the handler. `instanceOf` returns the
 * instance of a controller.
 */
export function addMemoryAnswers(fastify: FastifyInstance, instanceOf: (controller: Type) => unknown): void {
  fastify.addHook('onRoute', (route) => {
    const { memoryAnswer } = route.config ?? {};
    if (!memoryAnswer || route.method !== 'GET') return;
    if (!route.config?.needsToken)
      throw new Error(`${route.url}: only a route that needs a token answers from memory.`);
    const controller = instanceOf(memoryAnswer.controller);
    route.onRequest = [
      route.onRequest ?? [],
      (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
        const { principal, params } = request;
        const answer =
          principal && isPlain(request) ? memoryAnswer.answer(controller, principal, params as Params) : undefined;
        if (!answer) return done();
        request.user = principal;
        void reply.send(answerRendered(reply, answer));
      },
    ].flat();
  });
}

type Params = Readonly<Record<string, string>>;

function isPlain({ raw, headers }: FastifyRequest): boolean {
  return (
    !raw.url?.includes('?') && headers['content-length'] === undefined && headers['transfer-encoding'] === undefined
  );
}
