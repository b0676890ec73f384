// Kinds of environment variables: a builder makes the validation, and knows the type of the value in the settings.
import Joi from 'joi';
import { weaknessOfSecret } from './production-rules.js';

/** Types of valid values, before their conversion. */
type Given = string | number | boolean;

/** One environment variable. `T`: the type of its value in the settings. */
export class Variable<T> {
  constructor(
    readonly name: string,
    readonly doc: string,
    /** The value without the variable; undefined if there is none, or if the doc describes it. */
    readonly standard: Given | undefined,
    readonly schema: Joi.Schema,
    /** Converts a valid value, or undefined when there is neither a value nor a default. */
    readonly convert: (value: unknown) => T,
  ) {}
}

/** At most `quota` in any interval of `window` seconds. */
export interface Rate {
  quota: number;
  window: number;
}

/** A condition for the text of a variable. `rule` completes "<variable> …" in the fault. */
export interface Check {
  accepts: (text: string) => boolean;
  rule: string;
  /** True: checked in production only. */
  inProduction?: boolean;
}

interface Options<V, D> {
  /** One line for `.env.example`, and for the fault of an invalid value. */
  doc: string;
  default?: D;
  /** The default in production, if it differs. The doc then names both. */
  productionDefault?: V;
}

type WithDefault<V> = Options<V, V> & { default: V };

interface Limits {
  min?: number;
  max?: number;
}

/** A variable without default may be absent. */
type Value<V, D> = [D] extends [undefined] ? V | undefined : V;

function variable<V extends Given, D extends V | undefined, T = V>(
  name: string,
  schema: Joi.Schema,
  { doc, default: standard, productionDefault }: Options<V, D>,
  convert: (value: V) => T = (value) => value as unknown as T,
): Variable<Value<T, D>> {
  const ofPresent = (value: unknown): Value<T, D> =>
    (value === undefined ? undefined : convert(value as V)) as Value<T, D>;
  if (standard === undefined) return new Variable(name, doc, undefined, schema, ofPresent);
  if (productionDefault === undefined) return new Variable(name, doc, standard, schema.default(standard), ofPresent);
  const byEnvironment = (all: { NODE_ENV?: string }): unknown =>
    all.NODE_ENV === 'production' ? productionDefault : standard;
  const both = `${doc}. Default: ${String(standard)}, in production ${String(productionDefault)}`;
  return new Variable(name, both, undefined, schema.default(byEnvironment), ofPresent);
}

function checked(schema: Joi.StringSchema, checks: readonly Check[]): Joi.StringSchema {
  return checks.reduce((before, { accepts, rule, inProduction }) => {
    const check: Joi.CustomValidator<string> = (given, helpers) =>
      accepts(given) ? given : helpers.message({ custom: `{{#label}} ${rule}` });
    if (!inProduction) return before.custom(check);
    return before.when('NODE_ENV', { is: 'production', then: Joi.string().custom(check) });
  }, schema);
}

export function text<D extends string | undefined = undefined>(
  name: string,
  options: Options<string, D> & { checks?: readonly Check[]; requiredIf?: { variable: string; is: string } },
): Variable<Value<string, D>> {
  const { checks = [], requiredIf } = options;
  const schema = checked(Joi.string(), checks);
  const whole = requiredIf ? schema.when(requiredIf.variable, { is: requiredIf.is, then: Joi.required() }) : schema;
  return variable(name, whole, options);
}

/** A host name or an IP address. */
export function host<D extends string | undefined = undefined>(
  name: string,
  options: Options<string, D>,
): Variable<Value<string, D>> {
  return variable(name, Joi.string().hostname(), options);
}

export function url(name: string, options: { schemes: string[]; doc: string }): Variable<string | undefined> {
  return variable(name, Joi.string().uri({ scheme: options.schemes }), options);
}

export function port(name: string, options: WithDefault<number>): Variable<number> {
  return variable(name, Joi.number().port(), options);
}

export function choice<const C extends string, D extends C | undefined = undefined>(
  name: string,
  values: readonly C[],
  options: Options<C, D>,
): Variable<Value<C, D>> {
  return variable(name, Joi.string().valid(...values), options);
}

export function flag(name: string, options: WithDefault<boolean>): Variable<boolean> {
  return variable(name, Joi.boolean().truthy('1', 'yes', 'on').falsy('0', 'no', 'off'), options);
}

function bounded({ min, max }: Limits, number = Joi.number()): Joi.NumberSchema {
  const above = min === undefined ? number : number.min(min);
  return max === undefined ? above : above.max(max);
}

export function integer<D extends number | undefined = undefined>(
  name: string,
  options: Options<number, D> & Limits,
): Variable<Value<number, D>> {
  return variable(name, bounded(options, Joi.number().integer()), options);
}

/** Whole seconds, as milliseconds in the settings. `fractions`: parts of a second are valid too. */
export function seconds(
  name: string,
  options: WithDefault<number> & Limits & { fractions?: boolean },
): Variable<number> {
  const number = options.fractions ? Joi.number() : Joi.number().integer();
  return variable(name, bounded(options, number), options, (value) => value * 1_000);
}

/** `<requests>/<seconds>`. */
export function rate(name: string, options: { default: string; doc: string }): Variable<Rate> {
  const schema = checked(Joi.string(), [
    {
      accepts: (given) => /^[1-9]\d{0,8}\/[1-9]\d{0,5}$/.test(given),
      rule: 'must be <requests>/<seconds>, like 5/10',
    },
  ]);
  const doc = `${options.doc}, as <requests>/<seconds>`;
  return variable<string, string, Rate>(name, schema, { ...options, doc }, (given) => {
    const [quota, window] = given.split('/').map(Number) as [number, number];
    return { quota, window };
  });
}

export function itemsOf(given = ''): string[] {
  return given
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

/** Comma-separated items, each accepted by `accepts`; `each` completes "each item must be …". Absent: no items. */
export function list(
  name: string,
  options: { accepts: (item: string) => boolean; each: string; checks?: readonly Check[]; doc: string },
): Variable<readonly string[]> {
  const { accepts, each, checks = [], doc } = options;
  const all = {
    accepts: (given: string) => itemsOf(given).every(accepts),
    rule: `must list items that are each ${each}`,
  };
  const schema = checked(Joi.string(), [all, ...checks]);
  return new Variable(name, doc, undefined, schema, (given) => itemsOf(given as string | undefined));
}

const MAKE_SECRET = 'make one with `openssl rand -base64 48`';

/** In production it is required, must be hard to guess and differ from `others`, so that one leak does not reveal all. */
export function secret(
  name: string,
  { others = [], ...options }: { others?: string[]; doc: string },
): Variable<string | undefined> {
  const strong = Joi.string()
    .invalid(...others.map((other) => Joi.ref(other)))
    .messages({ 'any.invalid': `{{#label}} must differ from ${others.join(' and ')}: ${MAKE_SECRET}` })
    .custom((given: string, helpers) => {
      const weakness = given.length < 32 ? null : weaknessOfSecret(given);
      return weakness === null ? given : helpers.message({ custom: `{{#label}} ${weakness}: ${MAKE_SECRET}` });
    })
    .required();
  const schema = Joi.string().min(32).when('NODE_ENV', { is: 'production', then: strong });
  return variable(name, schema, options);
}
