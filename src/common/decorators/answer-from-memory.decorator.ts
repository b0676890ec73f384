// Declares how a GET is answered without waiting, from what this process holds in memory.
import type { Type } from '@nestjs/common';
import type { Actor } from '../access/permissions.js';
import type { Rendered } from '../http/hooks/representation.hooks.js';
import { RouteSettings } from './route-settings.decorator.js';

/**
 * Returns the answer, or undefined when it is not in memory or when reading it must be recorded: then the route's handler
 * answers. `params` are not validated yet.
 */
export type MemoryAnswer<C> = (
  controller: C,
  actor: Actor,
  params: Readonly<Record<string, string>>,
) => Rendered | undefined;

/** The same answer as that of the handler, before Nest sees the request; see memory-answers.hooks.ts. */
export function AnswerFromMemory<C>(answer: MemoryAnswer<C>): MethodDecorator {
  return (target, key, descriptor) => {
    const memoryAnswer = { controller: target.constructor as Type, answer: answer as MemoryAnswer<unknown> };
    RouteSettings({ memoryAnswer })(target, key, descriptor);
  };
}
