// One-line decorators for DTO fields: each sets the OpenAPI schema and the validation rules of a member.
import { applyDecorators, type Type as Class } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsDate,
  IsIn,
  IsInt,
  IsObject,
  IsString,
  IsUUID,
  Matches,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { EMAIL_RULES, USERNAME_RULES } from '../../shared/libs/identity.js';
import {
  cleanEmail,
  cleanText,
  hasAtLeast,
  hasAtMost,
  isEmailAddress,
  isSingleLine,
  isStorableText,
  isStreamSafe,
  isVisible,
  MAX_EMAIL,
  MAX_MARKS,
} from '../../shared/libs/text.js';

/** Absent and null differ: an optional field may be absent; only a nullable field may be null. */
interface FieldOptions {
  description?: string;
  example?: unknown;
  default?: unknown;
  optional?: boolean;
  nullable?: boolean;
}

function field(schema: ApiPropertyOptions, rules: PropertyDecorator[], options: FieldOptions): PropertyDecorator {
  const { optional = false, nullable = false, ...shown } = options;
  const isSkipped = (value: unknown): boolean => (optional && value === undefined) || (nullable && value === null);
  return applyDecorators(
    ApiProperty({ ...schema, ...shown, required: !optional, ...(nullable && { nullable }) } as ApiPropertyOptions),
    ValidateIf((_, value) => !isSkipped(value)),
    ...rules,
  );
}

const onText = (change: (text: string) => unknown): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? change(value) : value));

/** A rule for text. A value that is not text passes, because IsString runs first and refuses it. */
function textRule(name: string, isKept: (text: string) => boolean, demand: string, each: boolean): PropertyDecorator {
  const subject = each ? 'each value in ' : '';
  const validate = (value: unknown): boolean => typeof value !== 'string' || isKept(value);
  return ValidateBy(
    { name, validator: { validate, defaultMessage: (args) => `${subject}${args?.property} must ${demand}` } },
    { each },
  );
}

/**
 * The rules for every text, cheapest first. class-validator stops at the first failure, so rules that cost more than a look
 * at the length must come after these. They count code points, as PostgreSQL does; class-validator's own MinLength and
 * MaxLength ignore variation selectors and read the whole text.
 */
function textRules(min: number, max: number, each = false): PropertyDecorator[] {
  const demands = {
    min: `be longer than or equal to ${min} characters`,
    max: `be shorter than or equal to ${max} characters`,
    storable: 'not contain NUL characters or halves of surrogate pairs',
    marks: `not put more than ${MAX_MARKS} combining marks on one character`,
  };
  return [
    IsString({ each }),
    textRule('minLength', (text) => hasAtLeast(min, text), demands.min, each),
    textRule('maxLength', (text) => hasAtMost(max, text), demands.max, each),
    textRule('isStorable', isStorableText, demands.storable, each),
    textRule('isStreamSafe', isStreamSafe, demands.marks, each),
  ];
}

const singleLine = (each: boolean): PropertyDecorator =>
  textRule('isSingleLine', isSingleLine, 'be one line, without control characters', each);

/** Additional rules for single-line text. */
function lineRules(each = false): PropertyDecorator[] {
  return [singleLine(each), textRule('isVisible', isVisible, 'contain a visible character', each)];
}

interface TextOptions extends FieldOptions {
  min?: number;
  max: number;
  pattern?: RegExp;
  /** Allows line breaks and empty text. Default: one line with at least one visible character. */
  multiline?: boolean;
}

/** Text, trimmed at both ends and converted to NFC. */
export function TextField({ multiline = false, pattern, ...rest }: TextOptions): PropertyDecorator {
  const { min = multiline ? 0 : 1, max, ...options } = rest;
  const rules = [...textRules(min, max), ...(multiline ? [] : lineRules()), ...(pattern ? [Matches(pattern)] : [])];
  const schema = {
    type: 'string',
    minLength: min,
    maxLength: max,
    ...(pattern && { pattern: pattern.source }),
  } as ApiPropertyOptions;
  return applyDecorators(
    field(schema, rules, options),
    onText((text) => cleanText(text, max)),
  );
}

const MAX_PASSWORD = 128;

/** Stored exactly as typed, byte for byte; never shown. */
export function PasswordField(options: FieldOptions & { min?: number }): PropertyDecorator {
  const { min = 8, ...rest } = options;
  const schema = { type: 'string', format: 'password', minLength: min, maxLength: MAX_PASSWORD } as const;
  return field(schema, textRules(min, MAX_PASSWORD), rest);
}

const identityRules = (rules: typeof EMAIL_RULES): PropertyDecorator[] =>
  rules.map(({ name, isKept, demand }) => textRule(name, isKept, demand, false));

const EMAIL: ApiPropertyOptions = { type: 'string', format: 'email', maxLength: MAX_EMAIL };

/** An e-mail address in lower case and NFC, with the domain in ASCII. */
export function EmailField(options: FieldOptions): PropertyDecorator {
  const rules = [...textRules(0, MAX_EMAIL), ...identityRules(EMAIL_RULES)];
  return applyDecorators(field(EMAIL, rules, options), onText(cleanEmail));
}

/** The address of an existing account, which may be older than the rules of EmailField. */
export function KnownEmailField(options: FieldOptions): PropertyDecorator {
  const isAddress = textRule('isEmail', isEmailAddress, 'be an email', false);
  const rules = [...textRules(0, MAX_EMAIL), singleLine(false), isAddress];
  return applyDecorators(field(EMAIL, rules, options), onText(cleanEmail));
}

const MAX_USERNAME = 50;

/** A single-line username that does not look like another one. */
export function UsernameField(options: FieldOptions): PropertyDecorator {
  return applyDecorators(TextField({ ...options, max: MAX_USERNAME }), ...identityRules(USERNAME_RULES));
}

export function IntField({ min, max, ...options }: FieldOptions & { min: number; max: number }): PropertyDecorator {
  return field({ type: 'integer', minimum: min, maximum: max }, [IsInt(), Min(min), Max(max)], options);
}

/** The id of an object. */
export function IdField(options: FieldOptions): PropertyDecorator {
  return field({ type: 'string', format: 'uuid' }, [IsUUID()], options);
}

/** An integer in a query: plain decimal digits, no sign and no other notation. */
export function IntQuery(options: FieldOptions & { min: number; max: number }): PropertyDecorator {
  return applyDecorators(
    IntField({ optional: true, ...options }),
    onText((text) => (/^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : text)),
  );
}

export function BooleanQuery(options: FieldOptions): PropertyDecorator {
  const parsed: Record<string, boolean> = { true: true, false: false };
  return applyDecorators(
    field({ type: 'boolean' }, [IsBoolean()], { optional: true, ...options }),
    onText((text) => parsed[text] ?? text),
  );
}

/** `name`: the name of the schema in the OpenAPI document, and so of the type in generated clients. */
export function EnumField({
  name,
  values,
  ...options
}: FieldOptions & { name: string; values: readonly string[] }): PropertyDecorator {
  return field({ enum: [...values], enumName: name }, [IsIn(values)], options);
}

/** A JSON object whose members are validated elsewhere. */
export function ObjectField(options: FieldOptions): PropertyDecorator {
  return field({ type: 'object', additionalProperties: true }, [IsObject()], options);
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Returns null when the text is not an RFC 3339 time between 1970 and 2200, or names a day that does not exist. */
export function parseTime(text: string): Date | null {
  if (!RFC_3339.test(text)) return null;
  const time = new Date(text);
  const year = time.getUTCFullYear();
  const dayExists = new Date(`${text.slice(0, 10)}T00:00:00Z`).toJSON()?.startsWith(text.slice(0, 10));
  return dayExists && year >= 1970 && year < 2200 ? time : null; // an invalid date has the year NaN
}

/** A time with its zone (RFC 3339); the value becomes a Date. */
export function TimeField(options: FieldOptions): PropertyDecorator {
  const message =
    '$property must be an RFC 3339 time with its zone, like 2030-01-31T09:00:00.000Z, between 1970 and 2200';
  return applyDecorators(
    field({ type: 'string', format: 'date-time' }, [IsDate({ message })], {
      example: '2030-01-31T09:00:00.000Z',
      ...options,
    }),
    onText((text) => parseTime(text) ?? text),
  );
}

/** A list of short texts. `rules` run last: a decorator below this one would run first. */
export function TextListField({
  items,
  max,
  rules = [],
  ...options
}: FieldOptions & { items: number; max: number; rules?: PropertyDecorator[] }): PropertyDecorator {
  return applyDecorators(
    field(
      { type: 'array', items: { type: 'string', minLength: 1, maxLength: max }, maxItems: items },
      [IsArray(), ArrayMaxSize(items), ...textRules(1, max, true), ...lineRules(true), ...rules],
      options,
    ),
    Transform(({ value }: { value: unknown }) =>
      Array.isArray(value) && value.length <= items
        ? value.map((item: unknown) => (typeof item === 'string' ? cleanText(item, max) : item))
        : value,
    ),
  );
}

/** Metadata key for the DTO class of list items, used before the items are instances of it. */
export const ITEM_CLASS = 'itemClass';

/** A list of at least one object. `rules` run after those of the list and before those of each object. */
export function ObjectListField(
  item: Class,
  { items, rules = [], schema = { type: [item] } }: ObjectListOptions,
): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ ...schema, minItems: 1, maxItems: items }),
    Reflect.metadata(ITEM_CLASS, item),
    Type(() => item),
    IsArray(),
    ArrayMinSize(1),
    ArrayMaxSize(items),
    IsObject({ each: true }), // otherwise ValidateNested would check a nested list member by member
    ...rules,
    ValidateNested({ each: true }),
  );
}

interface ObjectListOptions {
  items: number;
  rules?: PropertyDecorator[];
  schema?: ApiPropertyOptions;
}
