// Module of realtime: readers of the event log, over WebSocket, event streams and polls.
import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { Clients } from './clients/clients.js';
import { Feeds } from './feeds/feeds.js';
import { EventsController } from './http/events.controller.js';
import { EventsService } from './http/events.service.js';
import { JobProgressSignals } from './job-progress.signals.js';
import { Admission } from './socket/admission.js';
import { Sockets } from './socket/sockets.js';
import { UpdatesController } from './socket/updates.controller.js';
import { TicketsController } from './tickets/tickets.controller.js';
import { TicketsRepository } from './tickets/tickets.repository.js';
import { TicketsService } from './tickets/tickets.service.js';

@Module({
  imports: [AuthModule],
  controllers: [EventsController, TicketsController, UpdatesController],
  providers: [Admission, Clients, EventsService, Feeds, JobProgressSignals, Sockets, TicketsRepository, TicketsService],
})
export class RealtimeModule {}
