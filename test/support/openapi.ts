// The running server's OpenAPI document as a list of operations: suites that walk it cover routes that are yet to come.
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
  $ref?: string;
}

export interface Parameter {
  in: string;
  name: string;
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  method: string;
  /** With its parameters in braces. */
  path: string;
  parameters: Parameter[];
  /** Of the JSON body, where there is one. */
  body: Schema | null;
}

interface Document {
  paths: Record<
    string,
    Record<string, { parameters?: Parameter[]; requestBody?: { content: Record<string, { schema: Schema }> } }>
  >;
  components: { schemas: Record<string, Schema> };
}

export async function readOperations(api: Api): Promise<Operation[]> {
  const { body: document } = await api.get<Document>('/docs/openapi.json');
  const resolve = (schema: Schema): Schema => {
    const target = schema.$ref
      ? (document.components.schemas[schema.$ref.split('/').at(-1) as string] as Schema)
      : schema;
    return target.items ? { ...target, items: resolve(target.items) } : target;
  };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      return { method: method.toUpperCase(), path, parameters, body: schema ? resolve(schema) : null };
    }),
  );
}

/** A body that should be accepted: the examples, and what the types say where there is none. */
export function exampleOf(schema: Schema): unknown {
  if (schema.example !== undefined) return schema.example;
  if (schema.enum) return schema.enum[0];
  if (schema.properties)
    return Object.fromEntries(Object.entries(schema.properties).map(([name, member]) => [name, exampleOf(member)]));
  if (schema.type === 'array') return schema.items ? [exampleOf(schema.items)] : [];
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1;
  if (schema.type === 'boolean') return true;
  return 'correct horse battery staple'.slice(0, schema.maxLength);
}
