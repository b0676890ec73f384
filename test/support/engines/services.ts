// The services that run on this machine, checked once; suites that need an absent service are skipped by name.
import { existsSync } from 'node:fs';
import { connect } from 'node:net';

/** The Redis of the machine, or of REDIS_URL. */
export const REDIS_URL = process.env['REDIS_URL'] ?? 'redis://localhost:6379';

/** Path of `redis-server`, for suites that start their own servers; undefined when it is not installed. */
export const REDIS_SERVER = (process.env['PATH'] ?? '')
  .split(':')
  .map((folder) => `${folder}/redis-server`)
  .find((path) => existsSync(path));

/** Folder of RabbitMQ's own scripts, without the wrappers of Debian; undefined when it is not installed. */
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

/** The RabbitMQ of the machine, or of RABBITMQ_URL. */
export const RABBITMQ_URL = process.env['RABBITMQ_URL'] ?? 'amqp://guest:guest@localhost:5672';
export const rabbitAnswers = await answers(RABBITMQ_URL);
