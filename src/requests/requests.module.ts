// Operations on requests themselves: cancel a running one, send many at once.
import { Module } from '@nestjs/common';
import { BatchController } from './batch.controller.js';
import { BatchService } from './batch.service.js';
import { RequestsController } from './requests.controller.js';
import { RequestsService } from './requests.service.js';

@Module({ controllers: [BatchController, RequestsController], providers: [BatchService, RequestsService] })
export class RequestsModule {}
