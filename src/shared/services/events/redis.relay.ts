// The relay on Redis's publish and subscribe: faster than PostgreSQL's, where there is a Redis.
import type { Redis } from '../cache/redis.js';
import { EventRelay, type Subscription } from './event-relay.js';

export class RedisRelay extends EventRelay {
  private readonly channel: string;

  constructor(private readonly redis: Redis) {
    super();
    this.channel = `${redis.prefix}:relay`;
  }

  async publish(text: string): Promise<void> {
    await this.redis.script('publish', [this.channel], [text]);
  }

  protected async subscribe(deliver: (text: string) => void, gone: () => void): Promise<Subscription> {
    const client = this.redis.createSubscriber(this.channel);
    client.on('error', () => undefined); // `end` follows
    client.on('message', (_channel, text) => deliver(text));
    client.on('end', gone);
    await client.connect();
    await client.subscribe(this.channel);
    return { end: () => client.disconnect() };
  }
}
