// Faults of the broker: kills during publishing and consuming, and disk wipes. Measures the time until it is used again.
import { connect } from 'amqplib';
import { until } from './servers.mjs';

const BACK_MS = 60_000;
const UNKNOWN = { consumerCount: -1, messageCount: -1 };

export class BrokerNemesis {
  counts = { brokerKills: 0, wipes: 0 };
  /** Times from the first response of the broker until every worker consumes again, in ms. */
  resumed = [];
  #environment;

  constructor(environment) {
    this.#environment = environment;
  }

  /** Kills the broker while there is work, restarts it `downMs` later, and records the outage by the clock of PostgreSQL. */
  async kill({ wipe, downMs, pause }) {
    const { rabbit } = this.#environment;
    const [{ since }] = await this.#environment.sql('SELECT clock_timestamp() AS since');
    await rabbit.kill();
    this.counts.brokerKills++;
    if (wipe) {
      rabbit.wipe();
      this.counts.wipes++;
    }
    await pause(downMs);
    await (await rabbit.start()).ready();
    const up = performance.now();
    await this.used();
    this.resumed.push(Math.round(performance.now() - up));
    await this.#environment.sql('INSERT INTO torture_outages VALUES ($1, clock_timestamp())', [since]);
  }

  /** Waits until every running worker consumes. */
  used() {
    const consumers = async () => (await this.#queue()).consumerCount >= this.#environment.workerPool.working.size;
    return until(consumers, 'the workers to consume', BACK_MS);
  }

  /** Returns the number of wake-ups that only the broker holds. */
  async waiting() {
    return (await this.#queue()).messageCount;
  }

  /** Returns the state of the job queue; a quorum queue that is starting closes the connection instead of responding. */
  async #queue() {
    const connection = await connect(this.#environment.rabbit.url, { timeout: 1_000 }).catch(() => null);
    if (!connection) return UNKNOWN;
    connection.on('error', () => undefined);
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      return await channel.checkQueue('holdfast.torture');
    } catch {
      return UNKNOWN;
    } finally {
      await connection.close().catch(() => undefined);
    }
  }
}
