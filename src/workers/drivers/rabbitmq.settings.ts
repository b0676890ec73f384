// Settings of RabbitMQ.
import { externalInProduction } from '../../shared/config/embedded.settings.js';
import { defineSettings } from '../../shared/config/settings.js';
import { text, url } from '../../shared/config/variables.js';

export const RabbitSettings = defineSettings(
  'RabbitMQ',
  {
    /** Undefined without a broker. */
    url: url('RABBITMQ_URL', {
      schemes: ['amqp', 'amqps'],
      doc: 'RabbitMQ (amqp:// or amqps://); without it PostgreSQL alone distributes the jobs',
    }),
    prefix: text('RABBITMQ_QUEUE', {
      default: 'holdfast',
      checks: [{ accepts: (prefix) => /^[\w.-]{1,100}$/.test(prefix), rule: 'must be 1 to 100 of A-Z a-z 0-9 _ . -' }],
      doc: 'First part of the names of exchanges and queues, so that deployments may share a broker',
    }),
  },
  { rules: [externalInProduction('RABBITMQ_URL')] },
);
export type RabbitSettings = InstanceType<typeof RabbitSettings>;
