// The quick acceptance of clean input: whatever it accepts, class-validator accepts with the same result; it leaves the rest to class-validator.
import 'reflect-metadata';
import type { Type } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ListAuditQuery } from '../../src/audit/dto/audit.dto.js';
import { ChangePasswordDto, LoginDto, RegisterDto } from '../../src/auth/dto/auth.dto.js';
import { acceptClean } from '../../src/common/http/pipes/accept-clean.js';
import { CreateBucketDto } from '../../src/storage/buckets/dto/bucket.dto.js';
import { ChangeTaskDto, CreateTaskDto, CreateTasksDto, ListTasksQuery } from '../../src/tasks/dto/task.dto.js';
import { ChangeProfileDto } from '../../src/users/dto/user.dto.js';
import { CreateJobDto } from '../../src/workers/api/dto/job.dto.js';

const DTOS: Type[] = [
  ...[CreateTaskDto, ChangeTaskDto, CreateTasksDto, ListTasksQuery, ListAuditQuery, ChangeProfileDto],
  ...[LoginDto, RegisterDto, ChangePasswordDto, CreateJobDto, CreateBucketDto],
];

const VALUES: unknown[] = [
  ...[undefined, null, '', ' ', 'a', '  a b ', 'a\nb', 'x'.repeat(201), 'x'.repeat(10_001), 'cafe\u0301', '\u0000', '\ud800'],
  ...['TODO', 'DONE', '-createdAt', 'true', 'false', '1', '5', '05', '+1', '999999999999', 'ada@example.com', 'ADA@Example.COM'],
  ...['2030-01-31T09:00:00.000Z', '2030-02-31T09:00:00.000Z', '2030-01-31', 'b8f3d1b2-6a0b-4c2e-9c39-0b3a7a1f0c11'],
  ...[0, 1, 3, 5, 6, -1, 1.5, NaN, true, false, [], ['a'], {}, { a: 1 }],
]; // prettier-ignore

/** Members of the DTOs, unknown ones, and those that every object has. */
const NAMES = [
  ...['title', 'description', 'status', 'priority', 'dueAt', 'tasks', 'limit', 'cursor', 'sort', 'q', 'dueBefore', 'deleted'],
  ...['action', 'actorId', 'since', 'name', 'age', 'hobbies', 'username', 'email', 'password', 'currentPassword', 'newPassword'],
  ...['type', 'payload', 'runAt', 'visibility', 'maxFileSize', 'nonsense', 'constructor', 'toString', '__proto__'],
]; // prettier-ignore

const BASES: Array<Record<string, unknown>> = [
  {},
  { title: 'Buy milk', description: 'Two bottles', status: 'TODO', priority: 1 },
  { email: 'ada@example.com', password: 'Zebra quartz 77 loom', name: 'Ada' },
  { email: 'ada@example.com', password: 'Zebra quartz 77 loom' },
  { currentPassword: 'old one here', newPassword: 'Zebra quartz 77 loom' },
  { type: 'report.pdf' },
  { name: 'photos' },
];

/** Null when class-validator refuses. */
function slowly(input: unknown, dto: Type): unknown {
  const instance = plainToInstance(dto, input) as object;
  const options = { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true, stopAtFirstError: true };
  return validateSync(instance, options).length > 0 ? null : instance;
}

describe.each(DTOS.map((dto) => [dto.name, dto] as const))('%s', (_name, dto) => {
  it('accepts only what class-validator accepts, with the same result', () => {
    let accepted = 0;
    for (const base of BASES)
      for (const name of NAMES)
        for (const value of VALUES) {
          const input = Object.defineProperty({ ...base }, name, { value, enumerable: true, configurable: true });
          const quick = acceptClean(input, dto);
          if (quick === null) continue;
          accepted++;
          const slow = slowly(input, dto);
          expect([input, slow]).toStrictEqual([input, quick]);
          expect(quick).toBeInstanceOf(dto);
        }
    // The others have lists.
    expect([dto.name, accepted > 0]).toEqual([dto.name, ![CreateTasksDto, CreateBucketDto, ChangeProfileDto].includes(dto as never)]); // prettier-ignore
  });
});

it('accepts an ordinary task, with a text in NFC and a time as a Date', () => {
  const input = { title: '  cafe\u0301 ', priority: 2, dueAt: '2030-01-31T09:00:00.000Z' };
  const dueAt = new Date('2030-01-31T09:00:00.000Z');
  expect(acceptClean(input, CreateTaskDto)).toEqual(Object.assign(new CreateTaskDto(), { title: 'caf\u00e9', priority: 2, dueAt })); // prettier-ignore
});
