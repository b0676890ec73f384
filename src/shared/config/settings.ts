// Settings as the module that uses them declares them: environment variables, rules between them, and typed values.
import type Joi from 'joi';
import { Variable } from './variables.js';

/** Environment variables by the property of the settings that they become; groups may be nested. */
export interface Variables {
  readonly [property: string]: Variable<unknown> | Variables;
}

export type Values<V> = {
  readonly [P in keyof V]: V[P] extends Variable<infer T> ? T : Values<V[P]>;
};

/** Valid values by variable name, after defaults. */
export type Environment = Readonly<Record<string, unknown>>;

/** A rule between several variables; adds itself to the schema of the environment. */
export type Rule = (schema: Joi.ObjectSchema) => Joi.ObjectSchema;

/** Returns the settings of another area. */
export type Get = <T extends object>(area: Area<T>) => T;

interface Details<V, T> {
  rules?: readonly Rule[];
  /** Makes the settings out of the values, which are the settings otherwise. */
  derive?: (values: Values<V>, get: Get) => T;
  /** Returns a line, with the cure, for each setting that is allowed but dangerous; the server logs it at its start. */
  warn?: (settings: T) => string[];
}

/** The settings of one area. Its own injection token: `constructor(private readonly settings: TaskSettings)`. */
export type Area<T extends object> = (abstract new () => Readonly<T>) & {
  /** Heading in `.env.example`. */
  readonly title: string;
  readonly variables: ReadonlyArray<Variable<unknown>>;
  readonly rules: readonly Rule[];
  read(environment: Environment, get: Get): T;
  warningsOf(settings: T): string[];
};

/** These areas come first in `.env.example` and among faults, in this order; the others follow by title. */
const FIRST = [
  ...['Process', 'HTTP', 'Logging', 'Secrets and tokens', 'PostgreSQL', 'Embedded engines', 'Redis', 'Cache'],
  ...['RabbitMQ', 'Jobs', 'Threads', 'Rate limits'],
];

const areas = new Map<string, Area<object>>();

/**
 * Declares settings, which every importing process then validates and provides:
 *
 *     export const NoteSettings = defineSettings('Notes', {
 *       quota: integer('NOTE_QUOTA', { min: 1, default: 100, doc: 'Maximum notes of one user' }),
 *     });
 *     export type NoteSettings = InstanceType<typeof NoteSettings>;
 *
 * Throws when the title or the name of a variable is taken.
 */
export function defineSettings<V extends Variables, T extends object = Values<V>>(
  title: string,
  tree: V,
  { rules = [], derive, warn }: Details<V, T> = {},
): Area<T> {
  const variables = variablesOf(tree);
  expectNew(title, variables);
  abstract class Settings {}
  Object.defineProperty(Settings, 'name', { value: `${title} settings` }); // for Nest's messages
  const area = Object.assign(Settings, {
    title,
    variables,
    rules,
    read(environment: Environment, get: Get): T {
      const values = valuesOf(tree, environment);
      return derive ? derive(values, get) : (values as unknown as T);
    },
    warningsOf: (settings: T) => warn?.(settings) ?? [],
  }) as unknown as Area<T>;
  areas.set(title, area);
  return area;
}

/** Returns the areas of all modules that are imported by now, in the order of `.env.example`. */
export function definedAreas(): Array<Area<object>> {
  const place = ({ title }: Area<object>): number => (FIRST.includes(title) ? FIRST.indexOf(title) : FIRST.length);
  return [...areas.values()].sort((a, b) => place(a) - place(b) || a.title.localeCompare(b.title, 'en'));
}

function variablesOf(tree: Variables): Array<Variable<unknown>> {
  return Object.values(tree).flatMap((branch) => (branch instanceof Variable ? [branch] : variablesOf(branch)));
}

function valuesOf<V extends Variables>(tree: V, environment: Environment): Values<V> {
  const values = Object.entries(tree).map(([property, branch]) => [
    property,
    branch instanceof Variable ? branch.convert(environment[branch.name]) : valuesOf(branch, environment),
  ]);
  return Object.fromEntries(values) as Values<V>;
}

function expectNew(title: string, variables: ReadonlyArray<Variable<unknown>>): void {
  if (areas.has(title)) throw new Error(`The settings "${title}" are declared twice. Give one of them another title.`);
  const taken = new Set([...areas.values()].flatMap((area) => area.variables.map(({ name }) => name)));
  for (const { name } of variables) {
    if (taken.has(name)) throw new Error(`The setting ${name} is declared twice. Rename one of them.`);
    taken.add(name);
  }
}
