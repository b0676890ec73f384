// The REST endpoint for one-time tickets.
import { Controller, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import { TicketDto } from '../dto/ticket.dto.js';
import { TicketsService } from './tickets.service.js';

@ApiTags('Realtime')
@Controller('realtime/tickets')
export class TicketsController {
  constructor(private readonly tickets: TicketsService) {}

  @Post()
  @Endpoint({
    summary: 'Get a ticket that opens one WebSocket within 30 seconds',
    description: 'For browsers: unlike an access token, it is of no use to the reader of a log.',
    returns: TicketDto,
    status: 201,
  })
  issue(@Req() { claims }: FastifyRequest): Promise<TicketDto> {
    return this.tickets.issue(claims as AccessClaims);
  }
}
