// The OpenAPI check of the test client: the responses that it accepts and refuses.
import { describe, expect, it } from '@jest/globals';
import { checkAnswer } from '../support/http/described-answers.js';

const ID = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
const TIME = '2030-01-31T09:00:00.000Z';
const TASK = {
  ...{ id: ID, ownerId: ID, title: 'Buy milk', description: '', status: 'TODO', priority: 3, dueAt: null, version: 1 },
  ...{ createdAt: TIME, updatedAt: TIME },
};
const PROBLEM = {
  ...{ type: '/problems/TASK_NOT_FOUND', title: 'Not Found', status: 404, statusCode: 404, code: 'TASK_NOT_FOUND' },
  ...{ detail: 'No task.', message: 'No task.', requestId: 'r' },
  additionalInfo: { route: `/api/tasks/${ID}`, method: 'GET', ip: '127.0.0.1' },
};

function check(status: number, body: unknown, { method = 'GET', path = `/api/tasks/${ID}`, headers = {} } = {}): void {
  const type = status < 400 ? 'application/json; charset=utf-8' : 'application/problem+json; charset=utf-8';
  checkAnswer(method, path, { status, headers: new Headers({ 'content-type': type, ...headers }), body });
}

it('a response that the document describes passes, also under /api/v1', () => {
  check(200, TASK, { headers: { etag: '"1"' } });
  check(200, TASK, { path: `http://127.0.0.1:3000/api/v1/tasks/${ID}?x=1` });
  check(404, PROBLEM);
  check(503, { ...PROBLEM, status: 503, statusCode: 503, code: 'SERVICE_UNAVAILABLE' });
  check(200, undefined, { method: 'HEAD', headers: { etag: '"1"' } });
});

describe('a response fails the check, with operation, status and fault, for', () => {
  const faults: Array<[string, () => void, RegExp]> = [
    [
      'an undescribed status',
      () => check(418, PROBLEM),
      /answered 418, .* tasks\.get:\n {2}- default has no code TASK_/,
    ],
    [
      'an undescribed code of a described status',
      () => check(404, { ...PROBLEM, code: 'FILE_NOT_FOUND' }),
      /404 has no code FILE_NOT/,
    ],
    [
      'an additional member',
      () => check(200, { ...TASK, secret: 1 }),
      /body must NOT have unevaluated properties \(secret\)/,
    ],
    ['a missing member', () => check(200, { ...TASK, title: undefined }), /required property 'title'/],
    ['null in a member that is not nullable', () => check(200, { ...TASK, title: null }), /body\/title must be string/],
    [
      'a value outside the enum',
      () => check(200, { ...TASK, status: 'LOST' }),
      /body\/status .*\(TODO, IN_PROGRESS, DONE\)/,
    ],
    [
      'an invalid time',
      () => check(200, { ...TASK, createdAt: 'now' }),
      /body\/createdAt must match format "date-time"/,
    ],
    [
      'another media type',
      () => check(200, 'x', { headers: { 'content-type': 'text/csv' } }),
      /is text\/csv, there it/,
    ],
    ['a body in an empty response', () => check(204, TASK, { method: 'DELETE' }), /there it is empty/],
    ['an undescribed header', () => check(200, TASK, { headers: { location: '/x' } }), /200 has no header Location/],
    [
      'a fault in an item of a page',
      () => check(200, { items: [{ ...TASK, id: 7 }], nextCursor: null }, { path: '/api/tasks?limit=1' }),
      /tasks\.list:\n {2}- the body\/items\/0\/id must be string/,
    ],
  ];
  it.each(faults)('%s', (_name, run, message) => expect(run).toThrow(message));
});

it('responses outside all described routes are not checked', () => {
  check(404, 'anything', { path: '/api/nothing' });
  check(405, PROBLEM, { method: 'PUT', path: '/api/auth/login' });
  check(404, { ...PROBLEM, code: 'ROUTE_NOT_FOUND' });
});
