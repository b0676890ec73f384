// Headers derived from the body: ETag and 304 for versioned resources, Location for created ones, Link for pages.
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HttpErrors } from '../http.errors.js';

interface Versioned {
  id: string;
  version: number;
}

interface Paged {
  nextCursor: string | null;
}

/** A response as finished JSON, as the cache stores it, with the data for its headers. */
export interface Rendered {
  json: string;
  etag: string;
  nextCursor?: string | null;
}

export function renderResource<T extends Versioned>(resource: T): Rendered {
  return { json: JSON.stringify(resource), etag: `"${resource.version}"` };
}

export function renderPage<T extends Paged>(page: T): Rendered {
  const json = JSON.stringify(page);
  return { json, etag: tagOf(json), nextCursor: page.nextCursor };
}

/** Returns the body for a route, and sets its headers here because hooks do not parse text. */
export function answerRendered(reply: FastifyReply, { json, etag, nextCursor }: Rendered): string {
  void reply.headers({ 'content-type': 'application/json; charset=utf-8', etag });
  if (nextCursor != null) linkTo(reply.request, reply, nextCursor);
  return json;
}

/** Adds hooks only to routes that declare them; with callbacks, because a promise would cost more than the hooks do. */
export function addRepresentationHooks(fastify: FastifyInstance): void {
  fastify.addHook('onRoute', (route) => {
    const { versioned, paged } = route.config ?? {};
    if (versioned) route.preSerialization = describeResource;
    if (versioned && (route.method === 'GET' || route.method === 'HEAD'))
      route.onSend = [route.onSend ?? [], answerUnmodified].flat();
    if (paged) route.preSerialization = linkNextPage;
    if (paged && (route.method === 'GET' || route.method === 'HEAD'))
      route.onSend = [tagPage, route.onSend ?? [], answerUnmodified].flat(); // Fastify's own hook drops the body of HEAD
  });
}

type Done = (error: Error | null, body?: unknown) => void;

function describeResource(request: FastifyRequest, reply: FastifyReply, body: unknown, done: Done): void {
  if (reply.statusCode < 300) {
    const { id, version } = body as Versioned;
    reply.header('etag', `"${version}"`);
    if (reply.statusCode === 201 || reply.statusCode === 202) reply.header('location', `${pathOf(request.url)}/${id}`);
  }
  done(null, body);
}

/** A page has no version: its tag is a hash of its JSON. */
function tagOf(json: string): string {
  return `"${createHash('sha256').update(json).digest('base64url').slice(0, 22)}"`;
}

function tagPage(_request: FastifyRequest, reply: FastifyReply, body: unknown, done: Done): void {
  if (reply.statusCode === 200 && typeof body === 'string' && !reply.hasHeader('etag'))
    reply.header('etag', tagOf(body));
  done(null, body);
}

function answerUnmodified(request: FastifyRequest, reply: FastifyReply, body: unknown, done: Done): void {
  const { 'if-match': required, 'if-none-match': known } = request.headers;
  if (required !== undefined && reply.statusCode === 200)
    try {
      expectTag(required, reply.getHeader('etag'));
    } catch (error) {
      return done(error as Error);
    }
  if (known === undefined || reply.statusCode !== 200 || !includesTag(known, reply.getHeader('etag')))
    return done(null, body);
  reply.code(304).removeHeader('content-type').removeHeader('content-length');
  done(null, null);
}

/** Checks If-Match before anything else (RFC 9110, 13.2.2). Throws VERSION_STALE unless it contains the tag (strong match). */
export function expectTag(required: string | undefined, etag: unknown): void {
  if (required === undefined || required.trim() === '*') return;
  if (!required.split(',').some((tag) => tag.trim() === etag)) throw HttpErrors.VERSION_STALE();
}

/** True when If-None-Match, which compares weakly (RFC 9110, 13.1.2), contains the tag. */
export function includesTag(known: string, etag: unknown): boolean {
  return known.trim() === '*' || known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** Returns the URL without its query, which may contain further question marks. */
function pathOf(url: string): string {
  return url.split('?', 1)[0] as string;
}

function linkNextPage(request: FastifyRequest, reply: FastifyReply, body: unknown, done: Done): void {
  const { nextCursor } = body as Paged;
  if (reply.statusCode === 200 && nextCursor !== null) linkTo(request, reply, nextCursor);
  done(null, body);
}

function linkTo(request: FastifyRequest, reply: FastifyReply, nextCursor: string): void {
  const path = pathOf(request.url);
  const params = new URLSearchParams(request.url.slice(path.length));
  params.set('cursor', nextCursor);
  reply.header('link', `<${path}?${params.toString()}>; rel="next"`);
}
