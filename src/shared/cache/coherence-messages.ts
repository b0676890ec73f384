// The messages about changes between processes.

/** Maximum bytes of tags in one message; PostgreSQL accepts 8,000 bytes in total. */
const MAX_TAGS_BYTES = 6_000;

/** `epoch`: the one in Redis in which no change is missing, as the sender knows; only in the answer to a process that joins. */
export type CoherenceMessage =
  | { is: 'heartbeat'; from: string; sent: number; report: unknown }
  | { is: 'leaving'; from: string }
  | { is: 'changing'; from: string; id: string; tags: string[] }
  | { is: 'acknowledged'; from: string; to: string; id: string; removed: number; epoch: string | null; report: unknown }
  | { is: 'changed'; from: string; id: string; tags: string[] }
  | { is: 'drop'; from: string; id: string; pattern: string };

const KINDS = new Set<unknown>(['heartbeat', 'leaving', 'changing', 'acknowledged', 'changed', 'drop'] satisfies Array<
  CoherenceMessage['is']
>);

/** Returns null for a foreign message or one of another version. */
export function readMessage(text: string): CoherenceMessage | null {
  try {
    const message = JSON.parse(text) as CoherenceMessage;
    return KINDS.has(message.is) ? message : null;
  } catch {
    return null;
  }
}

/** `id` is that of the change, with the number of the part: each part is acknowledged separately. */
export interface Part {
  id: string;
  tags: string[];
}

/** Splits a change into messages small enough for a relay. */
export function partsOf(tags: readonly string[], id: string): Part[] {
  const parts: Part[] = [{ id: `${id}/0`, tags: [] }];
  let bytes = 0;
  for (const tag of tags) {
    bytes += Buffer.byteLength(tag) + 3;
    if (bytes > MAX_TAGS_BYTES) {
      parts.push({ id: `${id}/${parts.length}`, tags: [] });
      bytes = Buffer.byteLength(tag) + 3;
    }
    (parts.at(-1) as Part).tags.push(tag);
  }
  return parts;
}

export function changeOf(partId: string): string {
  return partId.slice(0, partId.lastIndexOf('/'));
}
