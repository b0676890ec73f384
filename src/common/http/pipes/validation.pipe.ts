// Validates body and query by their DTO classes: refuses unknown members and reports every fault.
import { type ArgumentMetadata, ValidationPipe, type ValidationError } from '@nestjs/common';
import type { AppError, FieldError } from '../../../shared/libs/app-error.js';
import { HttpErrors } from '../http.errors.js';
import { acceptClean } from './accept-clean.js';
import { findUnknownMembers } from './unknown-members.js';

/** The maximum number of reported faults. */
const MAX_FAULTS = 50;
const MAX_PATH = 200;

/** Handles input that class-validator accepts wrongly or processes too slowly. */
class InputPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const accepted = metadata.metatype ? acceptClean(value, metadata.metatype) : null;
    if (accepted) return accepted;
    if (value === null) throw HttpErrors.VALIDATION_FAILED('The body must be a JSON object.');
    const inherited = findInherited(value);
    if (inherited !== null) throw unknownMembers([inherited]);
    const unknown = metadata.metatype ? findUnknownMembers(value, metadata.metatype, MAX_FAULTS) : [];
    if (unknown.length === MAX_FAULTS) throw unknownMembers(unknown);
    return super.transform(value, metadata) as Promise<unknown>;
  }
}

/** Returns the path of the first own member named like one of Object.prototype (`constructor`, …): class-validator allows it. */
function findInherited(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    if (key in Object.prototype) return key;
    const found = findInherited(member);
    if (found !== null) return `${key}.${found}`;
  }
  return null;
}

function unknownMembers(paths: readonly string[]): AppError {
  return refusal(paths.map((path) => unknownMember(path.slice(0, MAX_PATH))));
}

function unknownMember(field: string): FieldError {
  return { field, rule: 'unknownMember', message: `property ${field} should not exist` };
}

export function createValidationPipe(): ValidationPipe {
  return new InputPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    stopAtFirstError: true,
    validationError: { target: false, value: false },
    exceptionFactory: toValidationError,
  });
}

function toValidationError(errors: ValidationError[]): AppError {
  return refusal(errors.flatMap((error) => flatten(error, '')).slice(0, MAX_FAULTS));
}

function refusal(fields: FieldError[]): AppError {
  const detail = fields.map((field) => field.message).join('; ');
  return HttpErrors.VALIDATION_FAILED(detail.length > 1_000 ? `${detail.slice(0, 1_000)}…` : detail).withFields(fields);
}

function flatten(error: ValidationError, parent: string): FieldError[] {
  const field = `${parent}${error.property}`.slice(0, MAX_PATH);
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) =>
    rule === 'whitelistValidation'
      ? unknownMember(field)
      : { field, rule, message: nameField(message, error.property, field).slice(0, 300) },
  );
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, `${field}.`))];
}

/** Replaces the member's name in a class-validator message by its full path. */
function nameField(message: string, property: string, field: string): string {
  return message.startsWith(property) ? field + message.slice(property.length) : message;
}
