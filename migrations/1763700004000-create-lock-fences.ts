// The fences of locks: numbers that only grow, whichever key and process they are drawn for.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateLockFences1763700004000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE SEQUENCE "lock_fences" CACHE 1`); // a session that cached some would give out old ones late
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP SEQUENCE "lock_fences"`);
  }
}
