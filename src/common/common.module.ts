// Manners that need a place in the container.
import { Global, Module } from '@nestjs/common';
import { ProblemsController } from './problems/problems.controller.js';
import { RepositoryTools } from './repositories/repository-tools.js';

@Global()
@Module({
  controllers: [ProblemsController],
  providers: [RepositoryTools],
  exports: [RepositoryTools],
})
export class CommonModule {}
