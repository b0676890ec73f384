// HTTP conventions that need the injection container.
import { Global, Module } from '@nestjs/common';
import { PrivilegedAccess } from './access/privileged-access.js';
import { MethodFallbacks } from './http/method-fallbacks.js';
import { ProblemsController } from './http/problems/problems.controller.js';
import { RepositoryTools } from './repositories/repository-tools.js';
import { RowTrimmer } from './repositories/row-trimmer.js';
import { SearchGate } from './search-gate.js';

@Global()
@Module({
  controllers: [ProblemsController],
  providers: [MethodFallbacks, PrivilegedAccess, RepositoryTools, RowTrimmer, SearchGate],
  exports: [PrivilegedAccess, RepositoryTools, RowTrimmer, SearchGate],
})
export class CommonModule {}
