// Errors as data: a room declares code, status, log level, message and cure; services throw the result.

export type ErrorLevel = 'debug' | 'info' | 'warn' | 'error';

/** One entry of the catalogue. `message` may take arguments; `cure` tells the caller what to do. */
export interface ErrorSpec {
  status: number;
  level: ErrorLevel;
  message: (...args: never[]) => string;
  cure: string;
}

/** A field that was refused, as RFC 9457 extension member `errors[]`. `field` is a path like `tasks.3.title`. */
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

/** What a caller may be told. Everything else that is thrown is a bug and is answered as INTERNAL_ERROR. */
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

  /** Adds an answer header, e.g. `Retry-After` (seconds). */
  withHeader(name: string, value: string): this {
    this.headers[name] = value;
    return this;
  }

  /** Adds an extension member to the answer (RFC 9457, 3.2). */
  withExtension(name: string, value: unknown): this {
    this.extensions[name] = value;
    return this;
  }

  /** Adds the refused fields. */
  withFields(errors: FieldError[]): this {
    this.errors.push(...errors);
    return this;
  }
}

const catalogue = new Map<string, CatalogueEntry>();

/** Every declared error by code, for `GET /problems`. */
export function errorCatalogue(): ReadonlyMap<string, CatalogueEntry> {
  return catalogue;
}

type ErrorMakers<T extends Record<string, ErrorSpec>> = {
  readonly [K in keyof T]: ((...args: Parameters<T[K]['message']>) => AppError) & { readonly code: string };
};

/**
 * Declares a room's errors. `defineErrors('TASK', { NOT_FOUND: … })` gives `TaskErrors.NOT_FOUND(id)` with code
 * `TASK_NOT_FOUND`; an empty prefix leaves the names as they are. Throws when a code is declared twice.
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
