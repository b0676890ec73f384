// The files' room.
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppConfig } from '../shared/config/app-config.js';
import { Blob } from './blobs/blob.entity.js';
import { BlobMover } from './blobs/blob-mover.js';
import { BlobStore } from './blobs/blob-store.js';
import { BlobsRepository } from './blobs/blobs.repository.js';
import { KeyCheck } from './blobs/key-check.js';
import { Keyring } from './blobs/keyring.js';
import { StorageLeases } from './blobs/storage-leases.js';
import { Bucket } from './buckets/bucket.entity.js';
import { BucketsController } from './buckets/buckets.controller.js';
import { BucketsRepository } from './buckets/buckets.repository.js';
import { BucketsService } from './buckets/buckets.service.js';
import { ContentService } from './content/content.service.js';
import { FileEntity } from './file.entity.js';
import { FileWriter } from './file-writer.js';
import { FilesController } from './files.controller.js';
import { FilesRepository } from './files.repository.js';
import { FilesService } from './files.service.js';
import { FileLink } from './links/file-link.entity.js';
import { LinksCleanupHandler } from './links/links-cleanup.handler.js';
import { LinksController } from './links/links.controller.js';
import { LinksRepository } from './links/links.repository.js';
import { LinksService } from './links/links.service.js';
import { storageFor } from './storage/choose-storage.js';
import { FileStorage } from './storage/file-storage.js';
import { ImageDecoder } from './thumbnails/image-decoder.js';
import { ThumbnailHandler } from './thumbnails/thumbnail.handler.js';
import { ThumbnailRequests } from './thumbnails/thumbnail-requests.js';
import { ThumbnailStore } from './thumbnails/thumbnail-store.js';
import { ThumbnailsController } from './thumbnails/thumbnails.controller.js';
import { ThumbnailsRepository } from './thumbnails/thumbnails.repository.js';
import { ThumbnailsService } from './thumbnails/thumbnails.service.js';
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
import { UploadsService } from './uploads/uploads.service.js';
import { UsagesRepository } from './usages.repository.js';

@Module({
  imports: [TypeOrmModule.forFeature([FileEntity, Blob, Bucket, FileLink])],
  controllers: [FilesController, BucketsController, LinksController, ThumbnailsController, UploadsController],
  providers: [
    ...[FilesRepository, UsagesRepository, FilesService, FileWriter, ContentService, PurgeHandler], //   files
    ...[UpkeepRepository, TidyHandler, SweepHandler, VerifyHandler, RekeyHandler, BlobMover],
    ...[BlobsRepository, BlobStore, Keyring, KeyCheck, StorageLeases], //            their bytes
    ...[BucketsRepository, BucketsService], //                             where they belong
    ...[LinksRepository, LinksService, LinksCleanupHandler], //            who else may have them
    ...[ThumbnailsRepository, ThumbnailRequests, ThumbnailsService, ThumbnailStore, ImageDecoder, ThumbnailHandler],
    ...[UploadsRepository, UploadsService, UploadSegments, UploadLocks, TusService, SweepUploadsHandler],
    { provide: FileStorage, useFactory: storageFor, inject: [AppConfig] },
  ],
  exports: [FilesService, FileWriter, FileStorage],
})
export class FilesModule {}
