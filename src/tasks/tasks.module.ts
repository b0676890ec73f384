// Module of tasks.
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { FilesModule } from '../files/files.module.js';
import { ReportsRepository } from './report/reports.repository.js';
import { ReportHandler } from './report/report.handler.js';
import { TasksCleanupHandler } from './cleanup/tasks-cleanup.handler.js';
import { TasksTrimHandler } from './cleanup/tasks-trim.handler.js';
import { Task } from './task.entity.js';
import { TasksController } from './tasks.controller.js';
import { TasksRepository } from './tasks.repository.js';
import { TasksService } from './tasks.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Task]), FilesModule],
  controllers: [TasksController],
  providers: [TasksRepository, TasksService, ReportsRepository, ReportHandler, TasksCleanupHandler, TasksTrimHandler],
})
export class TasksModule {}
