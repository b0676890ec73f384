// The address of WebSockets. docs/guides/realtime.md describes their messages, which OpenAPI cannot.
import { Controller, Get, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { Sockets } from './sockets.js';

@ApiExcludeController()
@Controller({ path: 'ws/updates', version: VERSION_NEUTRAL })
export class UpdatesController {
  constructor(private readonly sockets: Sockets) {}

  @Get()
  @Endpoint({ summary: 'Open a WebSocket', public: true })
  open(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.sockets.accept(request, reply);
  }
}
