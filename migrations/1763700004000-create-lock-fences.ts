// Fences of locks: numbers that only grow, across all keys and processes.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateLockFences1763700004000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE SEQUENCE "lock_fences" CACHE 1`); // a session with cached numbers would return old ones late
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP SEQUENCE "lock_fences"`);
  }
}
