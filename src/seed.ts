// Demo accounts for development: an administrator and a user.
import { randomBytes } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import type { Role } from './common/permissions.js';
import { UsersRepository } from './users/users.repository.js';
import { UsersService } from './users/users.service.js';

export interface DemoAccount {
  email: string;
  password: string;
  role: Role;
}

const ACCOUNTS: ReadonlyArray<{ email: string; name: string; role: Role }> = [
  { email: 'admin@example.com', name: 'Demo Admin', role: 'ADMIN' },
  { email: 'user@example.com', name: 'Demo User', role: 'USER' },
];

/** Makes the missing ones, with `newPasswords` also new passwords for the others. Returns those whose password is new: nobody can read it later. */
export async function seedDemoAccounts(
  app: INestApplicationContext,
  { newPasswords }: { newPasswords: boolean },
): Promise<DemoAccount[]> {
  const users = app.get(UsersRepository, { strict: false });
  const accounts = app.get(UsersService, { strict: false });
  const made: DemoAccount[] = [];
  for (const account of ACCOUNTS) {
    const existing = await users.findByEmail(account.email);
    if (existing && !newPasswords) continue;
    const password = randomBytes(12).toString('base64url');
    if (existing) await accounts.change(existing.uuid, null, { password });
    else await accounts.create({ ...account, password });
    made.push({ email: account.email, role: account.role, password });
  }
  return made;
}

/** One line for each account. */
export function describeAccounts(accounts: DemoAccount[]): string {
  return accounts.map(({ email, password, role }) => `  ${role.padEnd(5)}  ${email}  ${password}\n`).join('');
}
