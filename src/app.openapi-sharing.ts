// Moves repeated parts of the OpenAPI document to its components, so that each is written once.
import { STATUS_CODES } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { OpenAPIObject } from '@nestjs/swagger';
import { problemComponents } from './common/decorators/openapi-responses.js';

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;
export type Method = (typeof METHODS)[number];
export type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Parameter = NonNullable<Operation['parameters']>[number];
type Response = NonNullable<Operation['responses'][string]>;

export function operationsOf({ paths }: OpenAPIObject): Array<[Method, Operation]> {
  return Object.values(paths).flatMap((item) =>
    METHODS.flatMap((method) => (item[method] ? [[method, item[method]] as [Method, Operation]] : [])),
  );
}

/** Moves parameters that occur more than once and are identical wherever their name occurs. Returns them by name. */
export function shareParameters(document: OpenAPIObject): Record<string, Parameter> {
  const byName = new Map<string, Parameter[]>();
  for (const [, { parameters = [] }] of operationsOf(document))
    for (const parameter of parameters)
      if ('name' in parameter) byName.set(parameter.name, [...(byName.get(parameter.name) ?? []), parameter]);
  const shared = new Map(
    [...byName].flatMap(([name, [first, ...others]]) =>
      first && others.length > 0 && others.every((other) => isDeepStrictEqual(other, first)) ? [[name, first]] : [],
    ),
  );
  for (const [, operation] of operationsOf(document))
    operation.parameters = operation.parameters?.map((parameter) =>
      'name' in parameter && shared.has(parameter.name)
        ? { $ref: `#/components/parameters/${parameter.name}` }
        : parameter,
    );
  return Object.fromEntries(shared);
}

/** Moves responses that occur more than once, and adds the problems that operations reference. Returns them by name. */
export function shareResponses(document: OpenAPIObject): Record<string, Response> {
  const places = operationsOf(document).flatMap(([, { responses }]) =>
    Object.keys(responses).map((status) => ({ responses, status })),
  );
  const equal = new Map<string, typeof places>();
  for (const place of places) {
    const text = JSON.stringify(place.responses[place.status]);
    equal.set(text, [...(equal.get(text) ?? []), place]);
  }
  const shared = new Map<string, Response>();
  for (const group of [...equal.values()].sort((a, b) => b.length - a.length)) {
    const { responses, status } = group[0] as (typeof places)[number];
    const response = responses[status] as Response;
    if ('$ref' in response) continue;
    const name = nameOf(status, response);
    if (group.length < 2 || shared.has(name)) continue; // the more frequent response keeps the name
    shared.set(name, response);
    for (const place of group) place.responses[place.status] = { $ref: `#/components/responses/${name}` };
  }
  return { ...Object.fromEntries(shared), ...usedProblems(places.map(({ responses, status }) => responses[status])) };
}

/** Returns `Task` for 200 with a TaskDto, `CreatedTask` for 201, `NotModified` for 304 without a body. */
function nameOf(status: string, { content = {} }: Exclude<Response, { $ref: string }>): string {
  const title = (STATUS_CODES[status] ?? status).replace(/[^A-Za-z]/g, '');
  const [media] = Object.values(content);
  if (!media) return title;
  const schema = media.schema && '$ref' in media.schema ? media.schema.$ref : 'File';
  return (status === '200' ? '' : title) + schema.replace(/^.*\//, '').replace(/Dto$/, '');
}

/** Returns the referenced problems. Removes the description of a reference where the problem has the same one. */
function usedProblems(responses: Array<Response | undefined>): Record<string, Response> {
  const problems: Record<string, Response> = problemComponents();
  const used: Record<string, Response> = {};
  for (const response of responses) {
    if (!response || !('$ref' in response)) continue;
    const name = response.$ref.replace('#/components/responses/', '');
    const problem = problems[name];
    if (!problem || !('description' in problem)) continue;
    used[name] = problem;
    if ('description' in response && response.description === problem.description) delete response.description;
  }
  return used;
}
