// What the house needs of RabbitMQ, as a table, and its declaration. Declared by every process on every connect: what is
// there already stays as it is.
import { RabbitRefusal } from './rabbitmq.refusal.js';
import type { RabbitSession } from './rabbitmq.session.js';

interface QueuePlan {
  name: string;
  exchange: string;
  key: string;
  arguments: Record<string, string | number>;
}

/** The first that keeps dead letters of quorum queues at least once, and that lets their messages expire. */
const OLDEST = [3, 10] as const;
/** Dead letters are there to be looked at; the rows are what is replayed. */
const DEAD = { 'x-max-length': 10_000, 'x-overflow': 'drop-head', 'x-message-ttl': 14 * 86_400_000 };

/**
 * No alternate exchange: RabbitMQ then takes a message that no queue wants for delivered, and returns none (measured on
 * 3.10). We want ours back, since that is how we learn that a queue was deleted.
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

  /** Throws RabbitRefusal. */
  async declare(session: RabbitSession, queues: readonly string[]): Promise<void> {
    const durable = true;
    for (const exchange of [this.jobs, this.dead])
      await refine(exchange, () => session.ask((channel) => channel.assertExchange(exchange, 'direct', { durable })));
    for (const { name, exchange, key, arguments: args } of queues.flatMap((queue) => this.plan(queue))) {
      await refine(name, () => session.ask((channel) => channel.assertQueue(name, { durable, arguments: args })));
      await refine(name, () => session.ask((channel) => channel.bindQueue(name, exchange, key)));
    }
  }

  /** Dead ones first: a dead letter never finds its queue missing. */
  private plan(queue: string): QueuePlan[] {
    const name = this.queueOf(queue);
    const wakeUps = {
      'x-delivery-limit': 50, // of a wake-up that was never acknowledged; its job does not depend on it
      'x-overflow': 'reject-publish', // what at-least-once asks for
      'x-dead-letter-exchange': this.dead,
      'x-dead-letter-routing-key': queue,
      'x-dead-letter-strategy': 'at-least-once',
    };
    return [
      { name: `${name}.dead`, exchange: this.dead, key: queue, arguments: { 'x-queue-type': 'quorum', ...DEAD } },
      { name, exchange: this.jobs, key: queue, arguments: { 'x-queue-type': 'quorum', ...wakeUps } },
    ];
  }
}

/** Throws RabbitRefusal when the broker is too old: it would ignore what it does not know, silently. */
export function expectVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new RabbitRefusal('TOO_OLD', `RabbitMQ ${version} is too old: upgrade it to ${OLDEST.join('.')} or newer`);
}

async function refine(name: string, declare: () => Promise<unknown>): Promise<void> {
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
