// The Vary header (RFC 9110, 12.5.5) is added to: whoever sets it anew takes away what others depend on.
import type { FastifyReply } from 'fastify';

export function addVary(reply: FastifyReply, field: string): void {
  const before = reply.getHeader('vary');
  reply.header('vary', before === undefined ? field : `${String(before)}, ${field}`);
}
