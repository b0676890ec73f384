// Answers that depend on a request header: Vary (RFC 9110, 12.5.5) and the choice of a media type by Accept (12.5.1).
import type { FastifyReply } from 'fastify';
import Negotiator from 'negotiator';

/** Setting the header anew would remove fields that other code needs. */
export function addVary(reply: FastifyReply, field: string): void {
  const before = reply.getHeader('vary');
  reply.header('vary', before === undefined ? field : `${String(before)}, ${field}`);
}

const JSON_TYPE = 'application/json';

/** The cost of reading Accept grows faster than its length; browsers send fewer than 200 characters. */
const MAX_ACCEPT = 1_000;

/** True when Accept prefers the media type; without a preference, and if Accept is too long, the answer is JSON. Adds Vary. */
export function prefers(reply: FastifyReply, mediaType: string): boolean {
  addVary(reply, 'Accept');
  if ((reply.request.headers.accept ?? '').length > MAX_ACCEPT) return false;
  return new Negotiator(reply.request).mediaType([JSON_TYPE, mediaType]) === mediaType;
}
