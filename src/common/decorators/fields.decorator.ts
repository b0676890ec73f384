// DTO fields in one line each: the OpenAPI schema and the validation rules of a member together.
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsDate,
  IsEmail,
  IsIn,
  IsInt,
  IsObject,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { isStorableText } from '../../shared/libs/text.js';

/** Absent and null differ: an optional field may be absent; only a nullable one may be null. */
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

const IsStorable = (each = false): PropertyDecorator =>
  ValidateBy(
    {
      name: 'isStorable',
      validator: {
        validate: (value) => typeof value !== 'string' || isStorableText(value),
        defaultMessage: (args) => `${args?.property} must not hold NUL characters or halves of surrogate pairs`,
      },
    },
    { each },
  );

/** As PostgreSQL counts: class-validator's MaxLength overlooks variation selectors. */
const MaxCharacters = (max: number, each = false): PropertyDecorator =>
  ValidateBy(
    {
      name: 'maxLength',
      validator: {
        validate: (value) => typeof value === 'string' && [...value].length <= max,
        defaultMessage: (args) =>
          `${each ? 'each value in ' : ''}${args?.property} must be shorter than or equal to ${max} characters`,
      },
    },
    { each },
  );

/** Text, trimmed at both ends, in Unicode normal form C. Lengths in code points, as PostgreSQL counts. */
export function TextField({
  min = 1,
  max,
  pattern,
  ...options
}: FieldOptions & { min?: number; max: number; pattern?: RegExp }): PropertyDecorator {
  const rules = [IsString(), MinLength(min), MaxCharacters(max), IsStorable(), ...(pattern ? [Matches(pattern)] : [])];
  const schema = {
    type: 'string',
    minLength: min,
    maxLength: max,
    ...(pattern && { pattern: pattern.source }),
  } as ApiPropertyOptions;
  return applyDecorators(
    field(schema, rules, options),
    onText((text) => (isStorableText(text) ? text.normalize('NFC').trim() : text)),
  );
}

/** Kept exactly as typed, byte for byte; never shown. */
export function PasswordField(options: FieldOptions & { min?: number }): PropertyDecorator {
  const { min = 8, ...rest } = options;
  return field(
    { type: 'string', format: 'password', minLength: min, maxLength: 128 },
    [IsString(), MinLength(min), MaxLength(128), IsStorable()],
    rest,
  );
}

/** Lower-case, normal form C. */
export function EmailField(options: FieldOptions): PropertyDecorator {
  const schema: ApiPropertyOptions = { type: 'string', format: 'email', maxLength: 254 };
  return applyDecorators(
    field(schema, [IsEmail(), MaxLength(254), IsStorable()], options),
    onText((text) => (isStorableText(text) ? text.normalize('NFC').trim().toLowerCase() : text)),
  );
}

export function IntField({ min, max, ...options }: FieldOptions & { min: number; max: number }): PropertyDecorator {
  return field({ type: 'integer', minimum: min, maximum: max }, [IsInt(), Min(min), Max(max)], options);
}

/** An integer in a query: plain decimal digits, no sign of any other notation. */
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

export function EnumField({ values, ...options }: FieldOptions & { values: readonly string[] }): PropertyDecorator {
  return field({ type: 'string', enum: [...values] }, [IsIn(values)], options);
}

/** A JSON object whose members others check. */
export function ObjectField(options: FieldOptions): PropertyDecorator {
  return field({ type: 'object', additionalProperties: true }, [IsObject()], options);
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Null for what is not an RFC 3339 time between 1970 and 2200, or names a day that does not exist. */
export function parseTime(text: string): Date | null {
  if (!RFC_3339.test(text)) return null;
  const time = new Date(text);
  const year = time.getUTCFullYear();
  const dayExists = new Date(`${text.slice(0, 10)}T00:00:00Z`).toJSON()?.startsWith(text.slice(0, 10));
  return dayExists && year >= 1970 && year < 2200 ? time : null; // an invalid date has the year NaN
}

/** A time with its zone (RFC 3339), becomes a Date. */
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

/** A list of short texts. */
export function TextListField({
  items,
  max,
  ...options
}: FieldOptions & { items: number; max: number }): PropertyDecorator {
  const each = { each: true };
  return applyDecorators(
    field(
      { type: 'array', items: { type: 'string', minLength: 1, maxLength: max }, maxItems: items },
      [IsArray(), ArrayMaxSize(items), IsString(each), MinLength(1, each), MaxCharacters(max, true), IsStorable(true)],
      options,
    ),
    Transform(({ value }: { value: unknown }) =>
      Array.isArray(value)
        ? value.map((item: unknown) =>
            typeof item === 'string' && isStorableText(item) ? item.normalize('NFC').trim() : item,
          )
        : value,
    ),
  );
}
