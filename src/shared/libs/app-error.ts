// Errors as data: a module declares the code, status, log level, message and cure; services throw the result.

export type ErrorLevel = 'debug' | 'info' | 'warn' | 'error';

/** One entry of the error catalogue. `message` may take arguments; `cure` states how to fix the problem. */
export interface ErrorSpec {
  status: number;
  level: ErrorLevel;
  message: (...args: never[]) => string;
  cure: string;
}

/** A rejected field, an entry of the RFC 9457 extension member `errors[]`. `field` is a path such as `tasks.3.title`. */
export interface FieldError {
  field: string;
  rule: string;
  message: string;
}

export interface CatalogueEntry {
  code: string;
  status: number;
  level: ErrorLevel;
  cure: string;
}

/** An error that the caller may see. Anything else that is thrown is a bug; the response is then INTERNAL_ERROR. */
export class AppError extends Error {
  readonly headers: Record<string, string> = {};
  readonly errors: FieldError[] = [];
  readonly extensions: Record<string, unknown> = {};

  constructor(
    readonly code: string,
    readonly status: number,
    readonly level: ErrorLevel,
    message: string,
  ) {
    super(message);
    this.name = 'AppError';
  }

  /** Adds a response header, e.g. `Retry-After` (seconds). */
  withHeader(name: string, value: string): this {
    this.headers[name] = value;
    return this;
  }

  /** Adds an extension member to the problem response (RFC 9457, 3.2). */
  withExtension(name: string, value: unknown): this {
    this.extensions[name] = value;
    return this;
  }

  /** Adds the rejected fields. */
  withFields(errors: FieldError[]): this {
    this.errors.push(...errors);
    return this;
  }
}

const catalogue = new Map<string, CatalogueEntry>();

/** Returns every declared error by its code, for `GET /problems`. */
export function errorCatalogue(): ReadonlyMap<string, CatalogueEntry> {
  return catalogue;
}

type ErrorMakers<T extends Record<string, ErrorSpec>> = {
  readonly [K in keyof T]: ((...args: Parameters<T[K]['message']>) => AppError) & { readonly code: string };
};

/**
 * Declares the errors of a module. `defineErrors('TASK', { NOT_FOUND: … })` returns `TaskErrors.NOT_FOUND(id)` with the
 * code `TASK_NOT_FOUND`; an empty prefix leaves the names unchanged. Throws when a code is declared twice.
 */
export function defineErrors<T extends Record<string, ErrorSpec>>(prefix: string, specs: T): ErrorMakers<T> {
  const makers = Object.entries(specs).map(([name, spec]) => {
    const code = prefix === '' ? name : `${prefix}_${name}`;
    if (catalogue.has(code)) throw new Error(`Error code ${code} is declared twice. Give one of them another name.`);
    catalogue.set(code, { code, status: spec.status, level: spec.level, cure: spec.cure });
    const make = (...args: never[]): AppError => new AppError(code, spec.status, spec.level, spec.message(...args));
    return [name, Object.assign(make, { code })] as const;
  });
  return Object.fromEntries(makers) as unknown as ErrorMakers<T>;
}
