// HTTP conventions that need the injection container.
import { Global, Module } from '@nestjs/common';
import { MethodFallbacks } from './http/method-fallbacks.js';
import { ProblemsController } from './http/problems/problems.controller.js';
import { RepositoryTools } from './repositories/repository-tools.js';
import { SearchGate } from './search-gate.js';

@Global()
@Module({
  controllers: [ProblemsController],
  providers: [MethodFallbacks, RepositoryTools, SearchGate],
  exports: [RepositoryTools, SearchGate],
})
export class CommonModule {}
