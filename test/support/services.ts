// Which services of this machine answer, asked once: suites that need an absent one are skipped by name.
import { existsSync } from 'node:fs';
import { connect } from 'node:net';

/** Redis of the machine, or REDIS_URL's. */
export const REDIS_URL = process.env['REDIS_URL'] ?? 'redis://localhost:6379';

/** `redis-server`, for suites that start servers of their own; undefined where it is not installed. */
export const REDIS_SERVER = (process.env['PATH'] ?? '')
  .split(':')
  .map((folder) => `${folder}/redis-server`)
  .find((path) => existsSync(path));

/** Folder of RabbitMQ's own scripts, not of those that Debian puts before them; undefined where it is not installed. */
export const RABBITMQ_BIN = ['/usr/lib/rabbitmq/bin', ...(process.env['PATH'] ?? '').split(':')].find((folder) =>
  existsSync(`${folder}/rabbitmq-server`),
);

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: 1_000 });
    const done = (open: boolean) => () => (socket.destroy(), resolve(open));
    socket.once('connect', done(true)).once('error', done(false)).once('timeout', done(false));
  });
}

export const redisAnswers = await answers(REDIS_URL);

/** RabbitMQ of the machine, or RABBITMQ_URL's. */
export const RABBITMQ_URL = process.env['RABBITMQ_URL'] ?? 'amqp://guest:guest@localhost:5672';
export const rabbitAnswers = await answers(RABBITMQ_URL);
