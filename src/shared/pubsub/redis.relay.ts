// The relay over Redis publish/subscribe: faster than PostgreSQL's, used when there is a Redis.
import type { Redis } from '../redis/redis.js';
import { isMacOf, macOf } from '../libs/signed-text.js';
import { EventRelay, type Subscription } from './relay.js';

const MAC_LENGTH = 43;

/**
 * Each message has a MAC. A client that can write to this Redis, but does not know our secret, could otherwise acknowledge a
 * change or leave in the name of another process. Such a client can only repeat messages.
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

  protected async subscribe(deliver: (text: string) => void, ended: () => void): Promise<Subscription> {
    const client = this.redis.createSubscriber(this.channel);
    client.on('error', () => undefined); // `end` follows
    client.on('message', (_channel, signed) => {
      const text = signed.slice(MAC_LENGTH);
      if (isMacOf(this.secret, this.channel, text, signed.slice(0, MAC_LENGTH))) deliver(text);
    });
    client.on('end', ended);
    await client.connect();
    await client.subscribe(this.channel);
    return { end: () => client.disconnect() };
  }
}
