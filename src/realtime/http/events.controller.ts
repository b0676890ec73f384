// The REST endpoint of the event log.
import type { Readable } from 'node:stream';
import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../common/access/permissions.js';
import { CurrentUser } from '../../common/decorators/current-user.decorator.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { QueryParams } from '../../common/decorators/input.decorator.js';
import { RouteSettings } from '../../common/decorators/route-settings.decorator.js';
import { isInjected } from '../../common/http/in-flight-request.js';
import { prefers } from '../../common/http/vary.js';
import { EventsDto, ReadEventsQuery } from '../dto/event.dto.js';
import { EventErrors, RealtimeErrors } from '../realtime.errors.js';
import { EventsService } from './events.service.js';

const STREAM_TYPE = 'text/event-stream';

@ApiTags('Realtime')
@Controller('events')
export class EventsController {
  constructor(private readonly events: EventsService) {}

  @Get()
  @RouteSettings({ staysOpen: true })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Of a stream: the same as `after`' })
  @Endpoint({
    summary: 'Read what has changed: tasks, files and ended jobs',
    description:
      'With `after`: the events behind this cursor, in their order, each once. With `Accept: text/event-stream`: a stream ' +
      '(EventSource) that continues after `Last-Event-ID`; there a gap is an event `{"type":"GAP","cursor":…}`.',
    returns: EventsDto,
    orAs: STREAM_TYPE,
    errors: [EventErrors.GAP, RealtimeErrors.TOO_MANY_CLIENTS],
  })
  async read(
    @CurrentUser() actor: Actor,
    @QueryParams() query: ReadEventsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | Readable> {
    if (!prefers(reply, STREAM_TYPE) || isInjected(request)) {
      void reply.type('application/json; charset=utf-8');
      return this.events.poll(actor, request, query);
    }
    void reply.type(STREAM_TYPE).header('x-accel-buffering', 'no'); // nginx would hold events back
    return request.method === 'HEAD' ? '' : this.events.stream(actor, request, lastSeen(request, query));
  }
}

/** A browser that reconnects repeats the address, so its header is the newer one. */
function lastSeen({ headers }: FastifyRequest, { after }: ReadEventsQuery): string | undefined {
  const header = headers['last-event-id'];
  return typeof header === 'string' && header !== '' ? header : after;
}
