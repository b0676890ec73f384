// Module of users.
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { FilesModule } from '../files/files.module.js';
import { SecurityModule } from '../shared/security/security.module.js';
import { JobOwners } from '../workers/job-owners.js';
import { ExportHandler } from './export/export.handler.js';
import { ImportHandler } from './import/import.handler.js';
import { StatisticsHandler } from './statistics/statistics.handler.js';
import { User } from './user.entity.js';
import { UsersBulkRepository } from './users-bulk.repository.js';
import { UsersController } from './users.controller.js';
import { UsersRepository } from './users.repository.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([User]), SecurityModule, FilesModule],
  controllers: [UsersController],
  providers: [
    UsersRepository,
    UsersBulkRepository,
    UsersService,
    { provide: JobOwners, useExisting: UsersRepository },
    ExportHandler,
    ImportHandler,
    StatisticsHandler,
  ],
  exports: [UsersRepository, UsersService],
})
export class UsersModule {}
