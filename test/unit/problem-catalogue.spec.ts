// The catalogue of error codes, which clients rely on, and its page `GET /problems`.
import { readdirSync } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { toProblemPage } from '../../src/common/http/problems/problem-page.js';
import { toProblemTypeDto } from '../../src/common/http/problems/problems.dto.js';
import { type CatalogueEntry, errorCatalogue } from '../../src/shared/libs/app-error.js';

let entries: CatalogueEntry[];

beforeAll(async () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.errors.ts'));
  expect(files.length).toBeGreaterThanOrEqual(5);
  for (const file of files) await import(join('../../src', file.replace(/ts$/, 'js')));
  entries = [...errorCatalogue().values()];
});

it('error codes are unique constants', () => {
  // defineErrors throws for a duplicate code; it does not compare without case.
  expect(new Set(entries.map(({ code }) => code.toLowerCase())).size).toBe(entries.length);
  for (const { code } of entries) expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^[A-Z]+$/);
});

it('every status is a 4xx or 5xx with a name', () => {
  for (const { code, status } of entries) {
    expect([code, status >= 400 && status < 600, STATUS_CODES[status]]).toEqual([code, true, expect.any(String)]);
  }
});

it('every error has a cure in a full sentence', () => {
  for (const { code, cure } of entries) expect([code, cure]).toEqual([code, expect.stringMatching(/^[A-Z`].{10,}\.$/)]);
});

it('server errors have an alerting log level and client errors do not', () => {
  const loud = entries.filter(({ level }) => level === 'error').map(({ code }) => code);
  expect(loud).toEqual(['INTERNAL_ERROR']);
  for (const { code, status, level } of entries) {
    if (status < 500) expect([code, level]).not.toEqual([code, 'error']);
  }
});

it('published codes keep their status', () => {
  expect(entries.map(({ code, status }) => `${status} ${code}`)).toEqual(
    expect.arrayContaining([
      '400 VALIDATION_FAILED',
      '400 INVALID_JSON',
      '400 INVALID_CURSOR',
      '401 UNAUTHENTICATED',
      '401 AUTH_TOKEN_INVALID',
      '401 AUTH_INVALID_CREDENTIALS',
      '401 AUTH_REFRESH_INVALID',
      '401 AUTH_REFRESH_REUSED',
      '403 FORBIDDEN',
      '404 ROUTE_NOT_FOUND',
      '404 TASK_NOT_FOUND',
      '404 USER_NOT_FOUND',
      '409 CONFLICT',
      '409 USER_EMAIL_TAKEN',
      '409 USER_USERNAME_TAKEN',
      '412 VERSION_STALE',
      '413 PAYLOAD_TOO_LARGE',
      '415 UNSUPPORTED_MEDIA_TYPE',
      '429 AUTH_ACCOUNT_SLOWED',
      '429 RATE_LIMITED',
      '500 INTERNAL_ERROR',
      '503 SERVICE_UNAVAILABLE',
    ]),
  );
});

describe('the catalogue page', () => {
  it('contains every code, status and cure', () => {
    const page = toProblemPage(entries.map(toProblemTypeDto));
    for (const { code, status } of entries)
      expect(page).toContain(`<a href="/problems/${code}">${code}</a></h2><p>${status} `);
  });

  it('escapes HTML', () => {
    const evil = '"><script>alert(1)</script>&';
    const page = toProblemPage([{ type: evil, code: evil, status: 400, title: evil, cure: `\`${evil}\`` }]);
    expect(page).not.toMatch(/<script|"><s|[^;]&[^a-z]/);
    expect(page).toContain('<code>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;</code>');
  });
});
