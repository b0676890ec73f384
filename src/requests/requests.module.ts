// Requests as things of their own: cancelled while they run, sent many at once.
import { Module } from '@nestjs/common';
import { BatchController } from './batch.controller.js';
import { BatchService } from './batch.service.js';
import { RequestsController } from './requests.controller.js';
import { RequestsService } from './requests.service.js';

@Module({ controllers: [BatchController, RequestsController], providers: [BatchService, RequestsService] })
export class RequestsModule {}
