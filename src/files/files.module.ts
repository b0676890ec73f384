// Module of files: upload, download, links, thumbnails, and upkeep of the storage.
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BlobIntake } from './blob-intake.js';
import { ContentService } from './content/content.service.js';
import { FileReader } from './content/file-reader.js';
import { FileDeletion } from './file-deletion.js';
import { FileEntity } from './file.entity.js';
import { FileIntake } from './file-intake.js';
import { FilesController } from './files.controller.js';
import { FilesRepository } from './files.repository.js';
import { FilesService } from './files.service.js';
import { FileLink } from './links/file-link.entity.js';
import { LinksCleanupHandler } from './links/links-cleanup.handler.js';
import { LinksController } from './links/links.controller.js';
import { LinksRepository } from './links/links.repository.js';
import { LinksTrimHandler } from './links/links-trim.handler.js';
import { LinksService } from './links/links.service.js';
import { ImageDecoder } from './thumbnails/image-decoder.js';
import { ThumbnailHandler } from './thumbnails/thumbnail.handler.js';
import { ThumbnailRequests } from './thumbnails/thumbnail-requests.js';
import { ThumbnailStore } from './thumbnails/thumbnail-store.js';
import { ThumbnailsController } from './thumbnails/thumbnails.controller.js';
import { ThumbnailsRepository } from './thumbnails/thumbnails.repository.js';
import { ThumbnailsService } from './thumbnails/thumbnails.service.js';
import { FilesCleanupHandler } from './upkeep/files-cleanup.handler.js';
import { FilesTrimHandler } from './upkeep/files-trim.handler.js';
import { MissingBytes } from './upkeep/missing-bytes.js';
import { PurgeHandler } from './upkeep/purge.handler.js';
import { RekeyHandler } from './upkeep/rekey.handler.js';
import { SweepHandler } from './upkeep/sweep.handler.js';
import { TidyHandler } from './upkeep/tidy.handler.js';
import { UpkeepRepository } from './upkeep/upkeep.repository.js';
import { VerifyHandler } from './upkeep/verify.handler.js';
import { SweepUploadsHandler } from './uploads/sweep-uploads.handler.js';
import { TusService } from './uploads/tus.service.js';
import { UploadLocks } from './uploads/upload-locks.js';
import { UploadSegments } from './uploads/upload-segments.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { UploadsRepository } from './uploads/uploads.repository.js';
import { UploadsTrimHandler } from './uploads/uploads-trim.handler.js';
import { UploadsService } from './uploads/uploads.service.js';
import { StorageModule } from '../storage/storage.module.js';

@Module({
  imports: [StorageModule, TypeOrmModule.forFeature([FileEntity, FileLink])],
  controllers: [FilesController, LinksController, ThumbnailsController, UploadsController],
  providers: [
    ...[FilesRepository, FilesService, FileIntake, BlobIntake, FileDeletion, FileReader, ContentService],
    ...[
      UpkeepRepository,
      PurgeHandler,
      TidyHandler,
      MissingBytes,
      SweepHandler,
      VerifyHandler,
      RekeyHandler,
      FilesCleanupHandler,
      FilesTrimHandler,
    ],
    ...[LinksRepository, LinksService, LinksCleanupHandler, LinksTrimHandler],
    ...[ThumbnailsRepository, ThumbnailRequests, ThumbnailsService, ThumbnailStore, ImageDecoder, ThumbnailHandler],
    ...[
      UploadsRepository,
      UploadsService,
      UploadSegments,
      UploadLocks,
      TusService,
      SweepUploadsHandler,
      UploadsTrimHandler,
    ],
  ],
  exports: [FileReader, FileIntake],
})
export class FilesModule {}
