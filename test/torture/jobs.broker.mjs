// What happens to the broker: killed under publishing and consuming, its disk wiped; how long until it is used again.
import { connect } from 'amqplib';
import { until } from './servers.mjs';

const BACK_MS = 60_000;
const UNKNOWN = { consumerCount: -1, messageCount: -1 };

export class BrokerNemesis {
  counts = { brokerKills: 0, wipes: 0 };
  /** From the broker's first answer until every worker consumes again, ms. */
  resumed = [];
  #field;

  constructor(field) {
    this.#field = field;
  }

  /** Kills it while there is work, and brings it back `downMs` later. Gives when it was away, by PostgreSQL's clock. */
  async kill({ wipe, downMs, pause }) {
    const { rabbit } = this.#field;
    const [{ since }] = await this.#field.sql('SELECT clock_timestamp() AS since');
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
    await this.#field.sql('INSERT INTO torture_outages VALUES ($1, clock_timestamp())', [since]);
  }

  /** Until every worker that is on its feet consumes. */
  used() {
    const consumers = async () => (await this.#queue()).consumerCount >= this.#field.crew.working.size;
    return until(consumers, 'the workers to consume', BACK_MS);
  }

  /** Wake-ups that are in its hands alone. */
  async waiting() {
    return (await this.#queue()).messageCount;
  }

  /** The jobs' one; a quorum queue that is just coming back breaks the connection instead of answering. */
  async #queue() {
    const connection = await connect(this.#field.rabbit.url, { timeout: 1_000 }).catch(() => null);
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
