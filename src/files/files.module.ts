// The files' room.
import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppConfig } from '../shared/config/app-config.js';
import { FileEntity } from './file.entity.js';
import { FilesController } from './files.controller.js';
import { FilesRepository } from './files.repository.js';
import { FilesService } from './files.service.js';
import { FileStorage } from './storage/file-storage.js';
import { LocalStorage } from './storage/local.storage.js';

@Module({
  imports: [TypeOrmModule.forFeature([FileEntity])],
  controllers: [FilesController],
  providers: [
    FilesRepository,
    FilesService,
    {
      provide: FileStorage,
      useFactory: (config: AppConfig) => new LocalStorage(join(config.dataDir, 'files')),
      inject: [AppConfig],
    },
  ],
  exports: [FilesService],
})
export class FilesModule {}
