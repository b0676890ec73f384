// Manners that need a place in the container.
import { Global, Module } from '@nestjs/common';
import { RequestLimits } from './limits/request-limits.js';
import { ProblemsController } from './problems/problems.controller.js';
import { RepositoryTools } from './repositories/repository-tools.js';

@Global()
@Module({
  controllers: [ProblemsController],
  providers: [RepositoryTools, RequestLimits],
  exports: [RepositoryTools, RequestLimits],
})
export class CommonModule {}
