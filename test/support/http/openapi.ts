// The OpenAPI document of the running server as a list of operations, so that suites also cover future routes.
import type { Api } from './api.js';

export interface Schema {
  type?: string;
  format?: string;
  enum?: string[];
  nullable?: boolean;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  example?: unknown;
  examples?: unknown[];
}

export interface Parameter {
  in: string;
  name: string;
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  method: string;
  /** The path template, with parameters in braces. */
  path: string;
  parameters: Parameter[];
  /** True when the operation needs no access token. */
  isPublic: boolean;
  /** The schema of the JSON body, or null. */
  body: Schema | null;
}

/** A schema as written in the document: with references, and with null as one of several types. */
interface WrittenSchema extends Omit<Schema, 'type' | 'items' | 'properties'> {
  $ref?: string;
  /** Has one entry: an enum with its own default or example. */
  allOf?: WrittenSchema[];
  /** Has two entries: a named schema, and null. */
  anyOf?: WrittenSchema[];
  type?: string | string[];
  items?: WrittenSchema;
  properties?: Record<string, WrittenSchema>;
}

interface WrittenParameter extends Omit<Parameter, 'schema'> {
  $ref?: string;
  schema: WrittenSchema;
}

interface WrittenOperation {
  parameters?: WrittenParameter[];
  requestBody?: { content: Record<string, { schema: WrittenSchema }> };
  /** One entry must be fulfilled. Absent: the default of the document applies. */
  security?: object[];
}

interface Document {
  paths: Record<string, Record<string, WrittenOperation>>;
  components: { schemas: Record<string, WrittenSchema>; parameters: Record<string, WrittenParameter> };
}

export async function readOperations(api: Api): Promise<Operation[]> {
  const { body: document } = await api.get<Document>('/docs/openapi.json');
  const { schemas, parameters: shared } = document.components;
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, security = [] }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      return {
        method: method.toUpperCase(),
        path,
        parameters: parameters
          .map((parameter) => named(shared, parameter.$ref) ?? parameter)
          .map((parameter) => ({ ...parameter, schema: resolve(schemas, parameter.schema) })),
        isPublic: security.some((needed) => !('bearer' in needed)),
        body: schema ? resolve(schemas, schema) : null,
      };
    }),
  );
}

/** Returns the component that a reference names. */
function named<T>(components: Record<string, T>, $ref = ''): T | undefined {
  return components[$ref.split('/').at(-1) as string];
}

function resolve(schemas: Document['components']['schemas'], written: WrittenSchema): Schema {
  const { allOf, anyOf = [], ...own } = written;
  const [entry] = allOf ?? anyOf.filter((one) => one.type !== 'null');
  const whole = { ...entry, ...own };
  const { type, items, properties, ...rest } = { ...named(schemas, whole.$ref), ...whole };
  const types = [type ?? [], anyOf.length > 0 ? 'null' : []].flat();
  const members = Object.entries(properties ?? {}).map(([name, member]) => [name, resolve(schemas, member)] as const);
  return {
    ...rest,
    ...(types[0] !== undefined && { type: types[0], nullable: types.includes('null') }),
    ...(items && { items: resolve(schemas, items) }),
    ...(properties && { properties: Object.fromEntries(members) }),
  };
}

/** Returns a body that should be valid: the examples, or values of the declared types. */
export function exampleOf(schema: Schema): unknown {
  const example = schema.example ?? schema.examples?.[0];
  if (example !== undefined) return example;
  if (schema.enum) return schema.enum[0];
  if (schema.properties)
    return Object.fromEntries(Object.entries(schema.properties).map(([name, member]) => [name, exampleOf(member)]));
  if (schema.type === 'array') return schema.items ? [exampleOf(schema.items)] : [];
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1;
  if (schema.type === 'boolean') return true;
  return 'correct horse battery staple'.slice(0, schema.maxLength);
}
