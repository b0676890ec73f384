// Demo data for development: an administrator and a user, each with a few tasks.
import { randomBytes } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import type { Actor, Role } from './common/access/permissions.js';
import { Clock } from './shared/libs/clock.js';
import type { Task, TaskStatus } from './tasks/task.entity.js';
import { TasksRepository } from './tasks/tasks.repository.js';
import type { User } from './users/user.entity.js';
import { UsersRepository } from './users/users.repository.js';
import { UsersService } from './users/users.service.js';

export interface DemoAccount {
  email: string;
  password: string;
  role: Role;
}

/** Addresses that users do not choose themselves, so that the addresses of tutorials stay free for registration. */
const ACCOUNTS: ReadonlyArray<{ email: string; name: string; role: Role }> = [
  { email: 'demo-admin@holdfast.example', name: 'Demo Admin', role: 'ADMIN' },
  { email: 'demo-user@holdfast.example', name: 'Demo User', role: 'USER' },
];

export const DEMO_EMAILS = ACCOUNTS.map(({ email }) => email);

const DAY_MS = 86_400_000;

/** Covers every status and every priority. The last number: days until the due date. */
const TASKS: ReadonlyArray<readonly [title: string, status: TaskStatus, priority: number, dueIn?: number]> = [
  ['Read the README', 'DONE', 3],
  ['Try the API in Swagger UI', 'IN_PROGRESS', 4, 1],
  ['Register an account of my own', 'TODO', 5, 2],
  ['Upload a file and share a link', 'TODO', 3, 7],
  ['Print my tasks as a PDF', 'TODO', 2],
  ['Delete these demo tasks', 'TODO', 1, 30],
];

/**
 * Creates the missing accounts, and tasks for accounts that never had any. With `newPasswords` the existing accounts get new
 * passwords too. Returns the accounts with a new password, which cannot be read later.
 */
export async function seedDemoData(
  app: INestApplicationContext,
  { newPasswords }: { newPasswords: boolean },
): Promise<DemoAccount[]> {
  const users = app.get(UsersRepository, { strict: false });
  const accounts = app.get(UsersService, { strict: false });
  const made: DemoAccount[] = [];
  for (const account of ACCOUNTS) {
    const existing = await users.findByEmail(account.email);
    const password = existing && !newPasswords ? undefined : randomBytes(12).toString('base64url');
    const user = existing ?? (await accounts.create({ ...account, ...(password !== undefined && { password }) }));
    if (existing && password !== undefined) await accounts.change(existing.uuid, null, { password });
    if (password !== undefined) made.push({ email: account.email, role: account.role, password });
    await seedTasks(app, user);
  }
  return made;
}

async function seedTasks(app: INestApplicationContext, { id: key, uuid: id, role }: User): Promise<void> {
  const tasks = app.get(TasksRepository, { strict: false });
  if (await tasks.hasEverOwned(key)) return;
  const actor: Actor = { id, key, role, sessionId: '' };
  const now = app.get(Clock, { strict: false }).now();
  await tasks.createAll(
    actor,
    TASKS.map(([title, status, priority, dueIn]): Partial<Task> => ({
      title,
      status,
      priority,
      dueAt: dueIn === undefined ? null : new Date(now + dueIn * DAY_MS),
    })),
  );
}

/** Returns one line for each account. */
export function describeAccounts(accounts: DemoAccount[]): string {
  return accounts.map(({ email, password, role }) => `  ${role.padEnd(5)}  ${email}  ${password}\n`).join('');
}
