// Adds the responses for unknown methods after all modules have registered their routes.
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { addMethodFallbacks } from './hooks/method.hooks.js';

@Injectable()
export class MethodFallbacks implements OnApplicationBootstrap {
  constructor(private readonly host: HttpAdapterHost) {}

  /** A command has no HTTP adapter. */
  onApplicationBootstrap(): void {
    const fastify = this.host.httpAdapter?.getInstance<FastifyInstance>();
    if (fastify) addMethodFallbacks(fastify);
  }
}
