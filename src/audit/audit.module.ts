// Module of the audit log. It only listens to events, and no other module imports it.
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEntry } from './audit-entry.entity.js';
import { AuditController } from './audit.controller.js';
import { AuditListener } from './audit.listener.js';
import { AuditRepository } from './audit.repository.js';
import { AuditCleanupHandler } from './cleanup/audit-cleanup.handler.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEntry])],
  controllers: [AuditController],
  providers: [AuditListener, AuditRepository, AuditCleanupHandler],
})
export class AuditModule {}
