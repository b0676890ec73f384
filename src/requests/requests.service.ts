// Cancels requests in flight by their id, in any process of the deployment.
import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { succeedsWithin } from '../shared/libs/time-limit.js';
import { Signals } from '../shared/pubsub/signals.js';
import { runningRequest } from '../shared/logging/request-context.js';
import type { Actor } from '../common/access/permissions.js';

const CANCEL = 'request.cancel';
const CANCELLED = 'request.cancelled';
/** How long another process may take to confirm that it had the request. */
const ANSWER_MS = 1_000;

/** The message to the other processes. The one that had the request sends `question` back. */
interface Question {
  question: string;
  from: string;
  userId: string;
  requestId: string;
}

@Injectable()
export class RequestsService {
  private readonly process = randomUUID();
  private readonly waiting = new Map<string, () => void>();

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly signals: Signals,
  ) {
    signals.on(CANCEL, (body) => this.receive(JSON.parse(body) as Question));
    signals.on(CANCELLED, (question) => this.waiting.get(question)?.());
  }

  /** Cancels all requests of the caller with this id except the current one. False when no process had any. */
  async cancel(actor: Actor, requestId: string): Promise<boolean> {
    const isFoundHere = this.cancelHere(actor.id, requestId);
    const question = randomUUID();
    const asked = this.ask({ question, from: this.process, userId: actor.id, requestId });
    if (!isFoundHere) return asked;
    asked.catch(() => undefined); // ours is cancelled; another one with the same id is unlikely
    return true;
  }

  private async ask(question: Question): Promise<boolean> {
    const cancelled = new Promise<void>((resolve) => this.waiting.set(question.question, resolve));
    try {
      await this.signals.send(CANCEL, JSON.stringify(question));
      return await succeedsWithin(ANSWER_MS, cancelled);
    } finally {
      this.waiting.delete(question.question);
    }
  }

  private receive({ question, from, userId, requestId }: Question): void {
    if (from === this.process || !this.cancelHere(userId, requestId)) return;
    this.signals.send(CANCELLED, question).catch(() => undefined); // after a failure the caller receives 404 and may retry
  }

  /** Searches linearly: a map by user and id would cost every request, and cancels are rare. */
  private cancelHere(userId: string, requestId: string): boolean {
    const targets = [...this.inFlight].filter((one) => one !== runningRequest() && one.isOf(userId, requestId));
    for (const target of targets) target.cancel('asked');
    return targets.length > 0;
  }

  /** Empty in a command, which serves no requests. */
  private get inFlight(): FastifyInstance['inFlight'] | [] {
    return this.host.httpAdapter?.getInstance<FastifyInstance>().inFlight ?? [];
  }
}
