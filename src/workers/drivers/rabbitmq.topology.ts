// Exchanges and queues in RabbitMQ, as a table, and their declaration. Every process declares them on every connect;
// existing ones stay unchanged.
import { RabbitRefusal } from './rabbitmq.refusal.js';
import type { RabbitSession } from './rabbitmq.session.js';

interface QueuePlan {
  name: string;
  exchange: string;
  key: string;
  arguments: Record<string, string | number>;
}

/** Oldest supported version: the first with at-least-once dead lettering and message TTL for quorum queues. */
const MIN_VERSION = [3, 10] as const;
/** The dead-letter queue is only for inspection; a replay uses the rows. Keeps 10,000 messages, 14 days. */
const DEAD_LETTER_ARGUMENTS = { 'x-max-length': 10_000, 'x-overflow': 'drop-head', 'x-message-ttl': 14 * 86_400_000 };

/**
 * Uses no alternate exchange: with one, RabbitMQ treats an unroutable message as delivered and does not return it
 * (measured on 3.10). The returned message is how the driver learns that a queue was deleted.
 */
export class RabbitTopology {
  readonly jobs: string;
  readonly dead: string;

  constructor(private readonly prefix: string) {
    this.jobs = `${prefix}.jobs`;
    this.dead = `${prefix}.dead`;
  }

  queueOf(queue: string): string {
    return `${this.prefix}.${queue}`;
  }

  /** Declares all exchanges and queues. Throws RabbitRefusal. */
  async declare(session: RabbitSession, queues: readonly string[]): Promise<void> {
    const durable = true;
    for (const exchange of [this.jobs, this.dead])
      await explainRefusal(exchange, () =>
        session.ask((channel) => channel.assertExchange(exchange, 'direct', { durable })),
      );
    for (const { name, exchange, key, arguments: args } of queues.flatMap((queue) => this.plan(queue))) {
      await explainRefusal(name, () =>
        session.ask((channel) => channel.assertQueue(name, { durable, arguments: args })),
      );
      await explainRefusal(name, () => session.ask((channel) => channel.bindQueue(name, exchange, key)));
    }
  }

  /** Lists the dead-letter queue first, so that it exists before a message can be dead-lettered. */
  private plan(queue: string): QueuePlan[] {
    const name = this.queueOf(queue);
    const wakeUps = {
      'x-delivery-limit': 50, // for a wake-up that is never acknowledged; its job does not depend on it
      'x-overflow': 'reject-publish', // required by at-least-once dead lettering
      'x-dead-letter-exchange': this.dead,
      'x-dead-letter-routing-key': queue,
      'x-dead-letter-strategy': 'at-least-once',
    };
    return [
      {
        name: `${name}.dead`,
        exchange: this.dead,
        key: queue,
        arguments: { 'x-queue-type': 'quorum', ...DEAD_LETTER_ARGUMENTS },
      },
      { name, exchange: this.jobs, key: queue, arguments: { 'x-queue-type': 'quorum', ...wakeUps } },
    ];
  }
}

/** Throws RabbitRefusal when the broker is too old: it would silently ignore unknown arguments. */
export function expectVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [minMajor, minMinor] = MIN_VERSION;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return;
  throw new RabbitRefusal('TOO_OLD', `RabbitMQ ${version} is too old: upgrade it to ${MIN_VERSION.join('.')} or newer`);
}

async function explainRefusal(name: string, declare: () => Promise<unknown>): Promise<void> {
  try {
    await declare();
  } catch (error) {
    const { code, message } = error as Error & { code?: number };
    if (code === 406)
      throw new RabbitRefusal(
        'PRECONDITION_FAILED',
        `${name} is there with other arguments (${message}): delete it, no job is in it, or choose another RABBITMQ_QUEUE`,
        { cause: error },
      );
    if (code === 403)
      throw new RabbitRefusal(
        'ACCESS_REFUSED',
        `The user of RABBITMQ_URL may not declare ${name} (${message}): permit it to configure, write and read ${name}`,
        { cause: error },
      );
    throw error;
  }
}
