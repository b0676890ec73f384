// Route settings for Fastify's hooks: each decorator adds its part, while Nest's RouteConfig would replace earlier settings.
import { RouteConfig } from '@nestjs/platform-fastify';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import type { FastifyContextConfig } from 'fastify';

export function RouteSettings(settings: FastifyContextConfig): MethodDecorator {
  return (target, key, descriptor) => {
    const handler = descriptor.value as object;
    const before = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, handler) as FastifyContextConfig | undefined;
    RouteConfig({ ...before, ...settings })(target, key, descriptor);
  };
}
