// The messages that clients send over a WebSocket: parsed strictly, with a stable code for each fault.
import { parseStrictJson, StrictJsonError } from '../../shared/libs/strict-json.js';
import { type Topic, TOPICS } from '../messages.js';

export type TopicCommand =
  | { name: 'subscribe'; topics: readonly Topic[]; since: string | undefined }
  | { name: 'unsubscribe'; topics: readonly Topic[] };

export type Command = { name: 'ping' } | TopicCommand;

export type CommandFault = 'INVALID_MESSAGE' | 'UNKNOWN_TYPE' | 'MESSAGE_TOO_LARGE' | 'TOO_MANY_MESSAGES';

/** The message is for the client. */
export class CommandError extends Error {
  constructor(
    readonly code: CommandFault,
    message: string,
  ) {
    super(message);
  }
}

/** The longest message that a client needs has some 100 bytes. */
export const MAX_COMMAND_BYTES = 4_096;

const TYPES = new Map<string, { name: 'subscribe' | 'unsubscribe'; topics: readonly Topic[] | undefined }>([
  ['SUBSCRIBE', { name: 'subscribe', topics: undefined }],
  ['UNSUBSCRIBE', { name: 'unsubscribe', topics: undefined }],
  ...TOPICS.flatMap((topic) => [
    [`SUBSCRIBE_${topic.toUpperCase()}`, { name: 'subscribe' as const, topics: [topic] }] as const,
    [`UNSUBSCRIBE_${topic.toUpperCase()}`, { name: 'unsubscribe' as const, topics: [topic] }] as const,
  ]),
]);

/** Throws CommandError. */
export function parseCommand(data: Buffer, isBinary: boolean): Command {
  if (data.length > MAX_COMMAND_BYTES)
    throw new CommandError('MESSAGE_TOO_LARGE', `A message may have at most ${MAX_COMMAND_BYTES} bytes.`);
  if (isBinary) throw new CommandError('INVALID_MESSAGE', 'Send messages as text.');
  const { type, since, topics } = parseObject(data);
  if (typeof type !== 'string') throw new CommandError('INVALID_MESSAGE', 'A message needs a text `type`.');
  if (type === 'PING') return { name: 'ping' };
  const known = TYPES.get(type);
  if (!known) throw new CommandError('UNKNOWN_TYPE', 'There is no message of this type.');
  const named = known.topics ?? checkTopics(topics);
  if (known.name === 'unsubscribe') return { name: known.name, topics: named };
  if (since !== undefined && typeof since !== 'string')
    throw new CommandError('INVALID_MESSAGE', '`since` must be a cursor, which is text.');
  return { name: known.name, topics: named, since };
}

function parseObject(data: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(data);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new CommandError('INVALID_MESSAGE', 'The message is no valid JSON.');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new CommandError('INVALID_MESSAGE', 'A message is a JSON object.');
}

function checkTopics(topics: unknown): readonly Topic[] {
  const isTopic = (value: unknown): value is Topic => (TOPICS as readonly unknown[]).includes(value);
  if (Array.isArray(topics) && topics.length > 0 && topics.every(isTopic)) return [...new Set(topics)];
  throw new CommandError('INVALID_MESSAGE', `\`topics\` must be a list of: ${TOPICS.join(', ')}.`);
}
