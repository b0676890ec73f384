// Module of realtime: readers of the event log, over WebSocket, event streams and polls.
import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { Clients } from './clients/clients.js';
import { Feeds } from './feeds/feeds.js';
import { EventsController } from './http/events.controller.js';
import { EventsService } from './http/events.service.js';

@Module({
  imports: [AuthModule],
  controllers: [EventsController],
  providers: [Clients, EventsService, Feeds],
})
export class RealtimeModule {}
