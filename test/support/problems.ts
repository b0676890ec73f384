// Checks responses against the error contract: every error is a problem of the catalogue.
import type { Api, Problem } from './http/api.js';
import type { RawAnswer } from './http/raw-http.js';

export type Catalogue = ReadonlyMap<string, number>;

/** Returns the status of each code, as the running server lists it. */
export async function readCatalogue(api: Api): Promise<Catalogue> {
  const { body } = await api.get<{ items: Array<{ code: string; status: number }> }>('/problems');
  return new Map(body.items.map(({ code, status }) => [code, status]));
}

const SUCCESS = new Set([200, 201, 202, 204, 207, 304]);

/** Returns the faults of a response; empty when it is correct. A HEAD has no body to check. */
export function faultsOf({ status, headers, text }: RawAnswer, catalogue: Catalogue, method = 'GET'): string[] {
  if (!headers['x-request-id']) return [`${status} without X-Request-Id`];
  if (SUCCESS.has(status)) return [];
  if (status >= 500) return [`${status}: ${text.slice(0, 300)}`];
  const type = headers['content-type'];
  if (type !== 'application/problem+json; charset=utf-8') return [`${status} as ${type}`];
  if (method === 'HEAD') return [];
  const problem = JSON.parse(text) as Problem;
  const { route, method: verb, ip, user, ...surplus } = problem.additionalInfo;
  const expected: Record<string, boolean> = {
    status: problem.status === status && problem.statusCode === status,
    code: catalogue.get(problem.code) === status,
    type: problem.type === `/problems/${problem.code}`,
    title: isText(problem.title),
    detail: isText(problem.detail) && problem.detail.length <= 2_000 && problem.detail === problem.message,
    requestId: problem.requestId === headers['x-request-id'],
    errors:
      problem.errors === undefined ||
      problem.errors.every((e) => typeof e.field === 'string' && isText(e.rule) && isText(e.message)),
    additionalInfo: typeof route === 'string' && typeof verb === 'string' && isText(ip) && !route.includes('?'),
    surplus: Object.keys(surplus).length === 0 && (user === undefined || isText(user)),
    validation:
      (problem.code === 'VALIDATION_FAILED') === (problem.errors !== undefined) || /\bbody\b/.test(problem.detail),
  };
  return Object.entries(expected)
    .filter(([, holds]) => !holds)
    .map(([name]) => `${status} with wrong ${name}: ${text.slice(0, 500)}`);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
