// Serves the event log over HTTP: polls that may wait, and endless streams.
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { invalidToken } from '../../auth/bearer-token.js';
import type { Actor } from '../../common/access/permissions.js';
import { isInjected } from '../../common/http/in-flight-request.js';
import { compareCursors } from '../../shared/events/event-log.js';
import { runningRequest } from '../../shared/logging/request-context.js';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import { Clients } from '../clients/clients.js';
import type { ReadEventsQuery } from '../dto/event.dto.js';
import type { Feed } from '../feeds/feed.js';
import { Feeds } from '../feeds/feeds.js';
import type { EventMessage } from '../messages.js';
import { EventErrors } from '../realtime.errors.js';
import { EventReader } from './event-reader.js';

/** Proxies close connections on which nothing is sent for a minute. */
const HEARTBEAT_MS = 15_000;
/** Bytes that a stream holds beside those of its socket. */
const MAX_HELD = 16_384;

interface Opened {
  reader: EventReader;
  feed: Feed;
  close: () => void;
}

@Injectable()
export class EventsService {
  constructor(
    private readonly feeds: Feeds,
    private readonly clients: Clients,
  ) {}

  /** Returns the JSON of EventsDto. Throws EVENTS_GAP. */
  async poll(actor: Actor, request: FastifyRequest, { after, wait, limit }: ReadEventsQuery): Promise<string> {
    if (after === undefined) return toPage([], await this.feeds.head(actor.key));
    const waits = wait > 0 && request.method !== 'HEAD' && !isInjected(request) && !this.clients.isStopping;
    const { reader, feed, close } = await this.open(actor, request, after, waits);
    try {
      const messages = await reader.next(feed, waits ? wait * 1_000 : 0, limit);
      if (messages === 'GAP') throw EventErrors.GAP();
      if (reader.endedBy === 'session ended' || reader.endedBy === 'token expired') throw invalidToken();
      return toPage(messages, reader.cursor);
    } finally {
      close();
    }
  }

  /** Returns text/event-stream. Ends with the session, and when the server stops. `after` undefined: begins with the next event. */
  async stream(actor: Actor, request: FastifyRequest, after: string | undefined): Promise<Readable> {
    const opened = await this.open(actor, request, after ?? (await this.feeds.head(actor.key)), true);
    return Readable.from(blocksOf(opened), { objectMode: false, highWaterMark: MAX_HELD });
  }

  /** `isCounted`: the request stays open, so it counts against the limits. */
  private async open(actor: Actor, request: FastifyRequest, cursor: string, isCounted: boolean): Promise<Opened> {
    const reader = new EventReader(actor, request.claims as AccessClaims, cursor);
    const remove = isCounted ? this.clients.add(reader, request.ip) : () => undefined;
    try {
      const { feed, leave } = await this.feeds.join(actor.key, () => reader.wake());
      const close = (): void => (remove(), leave());
      // Closes here, too: a stream that was never read does not run its last block.
      runningRequest()?.onCancel(() => (reader.end('hung up'), close()));
      return { reader, feed, close };
    } catch (error) {
      remove();
      throw error;
    }
  }
}

function toPage(messages: readonly EventMessage[], cursor: string): string {
  return `{"items":[${messages.map(({ json }) => json.toString()).join()}],"nextCursor":"${cursor}"}`;
}

/** The cursor of an empty block is what a browser sends in Last-Event-ID, also when no event has arrived. */
async function* blocksOf({ reader, feed, close }: Opened): AsyncGenerator<string> {
  try {
    const isOfLog = compareCursors(reader.cursor, feed.position) !== null; // otherwise it may be any text of the client
    yield `: connected\n${isOfLog ? `id: ${reader.cursor}\n` : ''}\n`;
    while (!reader.endedBy) {
      const messages = await reader.next(feed, HEARTBEAT_MS);
      if (reader.endedBy) return;
      if (messages === 'GAP') yield blockOf(reader.cursor, `{"type":"GAP","cursor":"${reader.cursor}"}`);
      else if (messages.length === 0) yield `: heartbeat\nid: ${reader.cursor}\n\n`;
      else yield messages.map(({ cursor, json }) => blockOf(cursor, json.toString())).join('');
    }
  } finally {
    close();
  }
}

const blockOf = (cursor: string, json: string): string => `id: ${cursor}\ndata: ${json}\n\n`;
