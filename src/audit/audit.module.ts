// Module of the audit log. The sequencer of events writes it; this module reads and seals it, and deletes what is old.
import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEntry } from './audit-entry.entity.js';
import { AuditController } from './audit.controller.js';
import { AuditRepository } from './audit.repository.js';
import { ReadAuditInterceptor } from './read-audit.interceptor.js';
import { AuditSealer } from './seals/audit-sealer.js';
import { AuditSealsRepository } from './seals/audit-seals.repository.js';
import { AuditVerifier } from './seals/audit-verifier.js';
import { CheckpointFile } from './seals/checkpoint-file.js';
import { AuditCleanupHandler } from './cleanup/audit-cleanup.handler.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEntry])],
  controllers: [AuditController],
  providers: [
    AuditRepository,
    AuditCleanupHandler,
    AuditSealsRepository,
    AuditSealer,
    AuditVerifier,
    CheckpointFile,
    { provide: APP_INTERCEPTOR, useClass: ReadAuditInterceptor },
  ],
})
export class AuditModule {}
