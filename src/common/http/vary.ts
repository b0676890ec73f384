// Adds to the Vary header (RFC 9110, 12.5.5); setting it anew would remove fields that other code needs.
import type { FastifyReply } from 'fastify';

export function addVary(reply: FastifyReply, field: string): void {
  const before = reply.getHeader('vary');
  reply.header('vary', before === undefined ? field : `${String(before)}, ${field}`);
}
