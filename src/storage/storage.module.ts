// Provides the storage of file content: the drivers, the blobs, the buckets, and the usage of each user.
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { EmbeddedSettings } from '../shared/config/embedded.settings.js';
import { StorageSettings } from './storage.settings.js';
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
import { storageFor } from './choose-storage.js';
import { FileStorage } from './file-storage.js';
import { UsagesRepository } from './usages.repository.js';

@Module({
  imports: [TypeOrmModule.forFeature([Blob, Bucket])],
  controllers: [BucketsController],
  providers: [
    ...[BlobMover, BlobStore, BlobsRepository, Keyring, KeyCheck, StorageLeases],
    ...[BucketsRepository, BucketsService, UsagesRepository],
    { provide: FileStorage, useFactory: storageFor, inject: [EmbeddedSettings, StorageSettings] },
  ],
  exports: [
    ...[BlobMover, BlobStore, BlobsRepository, Keyring, StorageLeases],
    ...[BucketsRepository, UsagesRepository, FileStorage],
  ],
})
export class StorageModule {}
