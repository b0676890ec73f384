// Creates an administrator from the command line, for example the first one in production.
import type { INestApplicationContext } from '@nestjs/common';
import { createValidationPipe } from './common/http/pipes/validation.pipe.js';
import { MigrationStatus } from './shared/database/migration-status.js';
import { Transaction } from './shared/database/transaction.js';
import { CreateUserDto } from './users/dto/user.dto.js';
import { UsersRepository } from './users/users.repository.js';
import { UsersService } from './users/users.service.js';

export interface AdminOptions {
  email: string;
  password: string;
  /** True to create one even if an administrator exists. */
  another: boolean;
}

/** A refusal, shown as one line. */
export class CreateAdminError extends Error {}

/**
 * Applies the rules of `POST /api/users`. Returns the e-mail address as it is stored. Throws CreateAdminError and AppError
 * (VALIDATION_FAILED, EMAIL_TAKEN, …). Of two concurrent calls without `another`, only one creates an administrator.
 */
export async function createAdmin(app: INestApplicationContext, options: AdminOptions): Promise<string> {
  const { email, password, another } = options;
  const users = app.get(UsersRepository, { strict: false });
  if ((await app.get(MigrationStatus, { strict: false }).pending()).length > 0)
    throw new CreateAdminError('The database lacks migrations. Apply them first: npm run migration:run');
  const body = { email, password, role: 'ADMIN' };
  const values = (await createValidationPipe().transform(body, {
    type: 'body',
    metatype: CreateUserDto,
  })) as CreateUserDto;
  return app.get(Transaction, { strict: false }).run(async () => {
    await users.lockAdmins();
    if (!another && (await users.hasAdmin()))
      throw new CreateAdminError('An administrator exists already. Nothing was changed; --another creates one more.');
    const user = await app.get(UsersService, { strict: false }).create(values);
    return user.email ?? email;
  });
}
