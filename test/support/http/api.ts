// A small typed client for real HTTP, and the types of the response bodies.
import type { AuditEntryDto } from '../../../src/audit/dto/audit.dto.js';
import type { TokensDto, SessionPage } from '../../../src/auth/dto/auth.dto.js';
import type { ProblemDto } from '../../../src/common/dto/problem.dto.js';
import type { TaskDto } from '../../../src/tasks/dto/task.dto.js';
import type { UserDto } from '../../../src/users/dto/user.dto.js';
import { checkAnswer } from './described-answers.js';

/** A DTO after serialization to JSON. */
export type Wire<T> = T extends Date ? string : T extends object ? { [K in keyof T]: Wire<T[K]> } : T;
export type Problem = Wire<ProblemDto>;
export type Task = Wire<TaskDto>;
export type User = Wire<UserDto>;
export type Tokens = Wire<TokensDto>;
export type Sessions = Wire<SessionPage>;

export type AuditEntry = Wire<AuditEntryDto>;

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Options {
  /** Replaces the client's own token; null sends none. */
  token?: string | null;
  headers?: Record<string, string>;
}

/**
 * An HTTP client of one server, with the access token of one user if given. An empty body is undefined. Throws when a
 * response does not match the OpenAPI document.
 */
export class Api {
  constructor(
    readonly url: string,
    readonly token: string | null = null,
  ) {}

  get<T = Problem>(path: string, options?: Options): Promise<Answer<T>> {
    return this.request('GET', path, undefined, options);
  }

  post<T = Problem>(path: string, body?: unknown, options?: Options): Promise<Answer<T>> {
    return this.request('POST', path, body, options);
  }

  put<T = Problem>(path: string, body?: unknown, options?: Options): Promise<Answer<T>> {
    return this.request('PUT', path, body, options);
  }

  patch<T = Problem>(path: string, body?: unknown, options?: Options): Promise<Answer<T>> {
    return this.request('PATCH', path, body, options);
  }

  delete<T = Problem>(path: string, options?: Options): Promise<Answer<T>> {
    return this.request('DELETE', path, undefined, options);
  }

  /** `body`: text and bytes are sent unchanged, other values as JSON. */
  async request<T = Problem>(method: string, path: string, body?: unknown, options: Options = {}): Promise<Answer<T>> {
    const token = options.token === undefined ? this.token : options.token;
    const bytes =
      typeof body === 'string' ? body : body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body);
    const response = await fetch(new URL(path, this.url), {
      method,
      redirect: 'manual',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...options.headers,
      },
      ...(body !== undefined && { body: bytes }),
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    const parsed = text === '' ? undefined : isJson ? (JSON.parse(text) as unknown) : text;
    const answer = { status: response.status, headers: response.headers, body: parsed as T };
    checkAnswer(method, path, answer);
    return answer;
  }

  as(token: string): Api {
    return new Api(this.url, token);
  }
}

/** Returns the Cookie header for the cookies that a response sets. */
export function cookieOf(answer: Answer<unknown>): string {
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');
}
