// Unique names on the RabbitMQ of the machine for one suite, deleted at the end.
import { randomBytes } from 'node:crypto';
import { connect } from 'amqplib';
import { RABBITMQ_URL, rabbitAnswers } from './services.js';

export interface RabbitNames {
  readonly env: Record<string, string>;
  /** Deletes the exchanges and queues. */
  forget(queues: Iterable<string>): Promise<void>;
}

export function rabbitNames(): RabbitNames {
  const prefix = `test-${randomBytes(6).toString('hex')}`;
  return {
    env: { RABBITMQ_URL, RABBITMQ_QUEUE: prefix },
    forget: async (queues) => {
      if (!rabbitAnswers) return;
      const connection = await connect(RABBITMQ_URL);
      const channel = await connection.createChannel();
      for (const queue of queues)
        for (const name of [queue, `${queue}.dead`]) await channel.deleteQueue(`${prefix}.${name}`);
      await channel.deleteQueue(`${prefix}.unrouted`);
      for (const exchange of ['jobs', 'dead']) await channel.deleteExchange(`${prefix}.${exchange}`);
      await connection.close();
    },
  };
}
