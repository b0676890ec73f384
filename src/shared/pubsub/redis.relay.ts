// The relay on Redis's publish and subscribe: faster than PostgreSQL's, where there is a Redis.
import type { Redis } from '../redis/redis.js';
import { isMacOf, macOf } from '../libs/signed-text.js';
import { EventRelay, type Subscription } from './relay.js';

const MAC_LENGTH = 43;

/**
 * Each message carries a MAC: who may write to this Redis, but has not our secret, could otherwise say in the name of
 * another process that it has heard of a change, or that it is gone. What such a writer can do is repeat a message.
 */
export class RedisRelay extends EventRelay {
  private readonly channel: string;

  constructor(
    private readonly redis: Redis,
    private readonly secret: string,
  ) {
    super();
    this.channel = `${redis.prefix}:relay`;
  }

  async publish(text: string): Promise<void> {
    await this.redis.script('publish', [this.channel], [macOf(this.secret, this.channel, text) + text]);
  }

  protected async subscribe(deliver: (text: string) => void, gone: () => void): Promise<Subscription> {
    const client = this.redis.createSubscriber(this.channel);
    client.on('error', () => undefined); // `end` follows
    client.on('message', (_channel, signed) => {
      const text = signed.slice(MAC_LENGTH);
      if (isMacOf(this.secret, this.channel, text, signed.slice(0, MAC_LENGTH))) deliver(text);
    });
    client.on('end', gone);
    await client.connect();
    await client.subscribe(this.channel);
    return { end: () => client.disconnect() };
  }
}
