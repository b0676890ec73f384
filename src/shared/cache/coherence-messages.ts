// What processes tell each other about changes.

/** Bytes of tags in one message; PostgreSQL takes 8,000 in all. */
const MOST_TAGS_BYTES = 6_000;

export type CoherenceMessage =
  | { is: 'here'; from: string; sent: number; report: unknown }
  | { is: 'gone'; from: string }
  | { is: 'changing'; from: string; id: string; tags: string[] }
  | { is: 'heard'; from: string; to: string; id: string; removed: number; report: unknown }
  | { is: 'changed'; from: string; id: string; tags: string[] }
  | { is: 'drop'; from: string; id: string; pattern: string };

const KINDS = new Set<unknown>(['here', 'gone', 'changing', 'heard', 'changed', 'drop'] satisfies Array<
  CoherenceMessage['is']
>);

/** Null for what is none of ours, or of another version's. */
export function readMessage(text: string): CoherenceMessage | null {
  try {
    const message = JSON.parse(text) as CoherenceMessage;
    return KINDS.has(message.is) ? message : null;
  } catch {
    return null;
  }
}

export interface Part {
  id: string;
  tags: string[];
}

/** A change in as many messages as it takes for a relay to carry them. */
export function partsOf(tags: readonly string[], id: string): Part[] {
  const parts: Part[] = [{ id: `${id}/0`, tags: [] }];
  let bytes = 0;
  for (const tag of tags) {
    bytes += Buffer.byteLength(tag) + 3;
    if (bytes > MOST_TAGS_BYTES) {
      parts.push({ id: `${id}/${parts.length}`, tags: [] });
      bytes = Buffer.byteLength(tag) + 3;
    }
    (parts.at(-1) as Part).tags.push(tag);
  }
  return parts;
}
