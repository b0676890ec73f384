// The memory of parts on their way to S3: its limit, the uploads that wait, those that are refused, and that all is freed.
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { requestContext, RunningRequest } from '../../src/shared/logging/request-context.js';
import { PartMemory, PartMemoryFullError } from '../../src/storage/drivers/part-memory.js';
import type { UploadMemory } from '../../src/storage/drivers/upload-memory.js';
import { below, seeded } from '../support/fuzz/random.js';

const SLOW_MS = 1_000;
const WAIT_MS = 10_000;

let memory: PartMemory;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  memory = new PartMemory({ maxBytes: 100, slowMs: SLOW_MS, waitMs: WAIT_MS });
});
afterEach(() => {
  jest.useRealTimers();
  expect(memory.usedBytes).toBe(0);
});

class RequestFrom extends RunningRequest {
  constructor(private readonly from: string) {
    super('r');
  }

  override get network(): string {
    return this.from;
  }
}

/** An upload that does what the test calls, and ends with the first failure, as an upload to S3 does. */
class Upload {
  readonly source = new PassThrough().on('error', () => undefined);
  /** The error of the upload; null: it has succeeded. */
  outcome: Error | null | undefined;
  readonly ended: Promise<void>;
  private held!: UploadMemory;
  private finish!: (error?: Error) => void;
  private readonly ending = new Promise<void>((resolve, reject) => {
    this.finish = (error) => (error ? reject(error) : resolve());
  });

  constructor(network: string) {
    this.source.on('error', (error) => this.finish(error));
    const running = requestContext.run(new RequestFrom(network), () =>
      memory.run(this.source, (held) => {
        this.held = held;
        return this.ending;
      }),
    );
    this.ended = running.then(
      () => void (this.outcome = null),
      (error: Error) => void (this.outcome = error),
    );
  }

  /** Returns whether the upload has the memory now. */
  async grow(bytes: number): Promise<boolean> {
    let isGranted = false;
    void this.held.growTo(bytes).then(
      () => (isGranted = true),
      (error: Error) => this.finish(error),
    );
    await settle();
    return isGranted;
  }

  get heldBytes(): number {
    return this.held.heldBytes;
  }

  fill(): () => void {
    return this.held.fill();
  }

  end(error?: Error): Promise<void> {
    this.finish(error);
    return this.ended;
  }
}

/** Lets promises and streams go on, and the time, too. */
async function settle(ms = 0): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

async function endAll(...uploads: Upload[]): Promise<void> {
  for (const upload of uploads) await upload.end();
}

it('the memory of a part is free when it is sent, and all of it when the upload ends or fails', async () => {
  const [one, other] = [new Upload('a'), new Upload('a')];
  expect([await one.grow(20), await one.grow(40), await other.grow(30)]).toEqual([true, true, true]);
  expect(memory.usedBytes).toBe(70);
  const free = one.fill();
  expect([memory.usedBytes, await one.grow(10)]).toEqual([70, true]);
  free();
  free();
  expect(memory.usedBytes).toBe(40);
  const late = one.fill();
  await one.end();
  expect(memory.usedBytes).toBe(30);
  late();
  expect(memory.usedBytes).toBe(30);
  await other.end(new Error('hung up'));
});

it('an upload without memory waits for a part that is being sent, whatever it lasts, and none is refused', async () => {
  const [sending, waiting] = [new Upload('a'), new Upload('b')];
  await sending.grow(90);
  const free = sending.fill();
  await waiting.grow(20);
  await settle(WAIT_MS - 1);
  expect([waiting.heldBytes, sending.outcome]).toEqual([0, undefined]);
  free();
  expect(waiting.heldBytes).toBe(20);
  await endAll(sending, waiting);
});

it('slow uploads of the network that holds the most are refused, the oldest first, and other networks go on', async () => {
  const slow: Upload[] = [];
  for (let index = 0; index < 4; index++) {
    slow.push(new Upload('attackers'));
    await slow[index]?.grow(20);
    await settle(10);
  }
  const neighbour = new Upload('neighbour');
  await neighbour.grow(20);
  await settle(SLOW_MS - 40 + 5); // of the attackers, the first one is slow now
  const innocent = new Upload('innocent');
  expect(await innocent.grow(10)).toBe(true);
  expect(slow[0]?.outcome).toBeInstanceOf(PartMemoryFullError);
  expect(slow[0]?.outcome).toMatchObject({ statusCode: 503 });
  expect(slow[0]?.source.destroyed).toBe(true);
  await settle(SLOW_MS);
  expect(await innocent.grow(60)).toBe(true);
  const outcomes = slow.map(({ outcome }) => outcome?.name);
  expect(outcomes).toEqual(['PartMemoryFullError', 'PartMemoryFullError', 'PartMemoryFullError', undefined]);
  expect(neighbour.outcome).toBeUndefined();
  await endAll(...slow.slice(3), neighbour, innocent);
});

it('an upload waits until a part of another one is slow, and for no longer than that', async () => {
  const [holder, waiting, other] = [new Upload('a'), new Upload('b'), new Upload('c')];
  await holder.grow(50);
  await settle(100);
  await other.grow(50);
  await waiting.grow(50);
  await settle(SLOW_MS - 101);
  expect([holder.outcome, waiting.heldBytes]).toEqual([undefined, 0]);
  await settle(500);
  expect([holder.outcome?.name, other.outcome, waiting.heldBytes]).toEqual(['PartMemoryFullError', undefined, 50]);
  await endAll(other, waiting);
});

it('a network whose parts fill more than half of the memory makes space for another one at once, but not for itself', async () => {
  const [first, second, own, other] = [new Upload('a'), new Upload('a'), new Upload('a'), new Upload('b')];
  await first.grow(50);
  await settle(1);
  await second.grow(50);
  await own.grow(10);
  expect([first.outcome, second.outcome, own.heldBytes]).toEqual([undefined, undefined, 0]);
  await other.grow(10);
  expect([first.outcome?.name, second.outcome, other.heldBytes]).toEqual(['PartMemoryFullError', undefined, 10]);
  await endAll(second, own, other);
});

it('the time that an upload waits for memory does not make it slow', async () => {
  const [holder, waiting, next] = [new Upload('a'), new Upload('b'), new Upload('c')];
  await waiting.grow(40);
  await holder.grow(60);
  const free = holder.fill();
  await waiting.grow(50);
  await settle(5 * SLOW_MS);
  free();
  await next.grow(60);
  expect([waiting.heldBytes, waiting.outcome, next.heldBytes]).toEqual([50, undefined, 0]);
  await settle(SLOW_MS + 500);
  expect([waiting.outcome?.name, next.heldBytes]).toEqual(['PartMemoryFullError', 60]);
  await endAll(holder, next);
});

it('of waiting uploads, the one whose network holds the least is next', async () => {
  const [sending, large, small] = [new Upload('large'), new Upload('large'), new Upload('small')];
  await sending.grow(50);
  const free = sending.fill();
  await sending.grow(50);
  const freeOther = sending.fill();
  await large.grow(50);
  await small.grow(50);
  free();
  expect([large.heldBytes, small.heldBytes]).toEqual([0, 50]);
  freeOther();
  expect(large.heldBytes).toBe(50);
  await endAll(sending, large, small);
});

it('when all uploads wait for each other, one is refused, and the others go on', async () => {
  const uploads = ['a', 'b', 'c', 'd'].map((network) => new Upload(network));
  for (const upload of uploads) await upload.grow(25);
  for (const upload of uploads) await upload.grow(30);
  expect(uploads.map(({ outcome }) => outcome?.name)).toEqual(['PartMemoryFullError', undefined, undefined, undefined]);
  expect(uploads.map(({ heldBytes }) => heldBytes)).toEqual([0, 30, 30, 30]);
  await endAll(...uploads.slice(1));
});

it('a waiting upload leaves the line when its source fails or it has waited too long', async () => {
  const [sending, cancelled, late] = [new Upload('a'), new Upload('b'), new Upload('c')];
  await sending.grow(100);
  const free = sending.fill();
  await cancelled.grow(10);
  await late.grow(10);
  cancelled.source.destroy();
  await settle();
  expect(cancelled.outcome).toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  await settle(WAIT_MS);
  expect(late.outcome).toMatchObject({ statusCode: 503 });
  expect(cancelled.source.listenerCount('close')).toBe(0);
  free();
  expect(memory.usedBytes).toBe(0);
  await endAll(sending);
});

it('the limit holds, and nothing is left, in any order of growing, sending, failing and hanging up', async () => {
  const random = seeded(7);
  const uploads = new Set<Upload>();
  for (let step = 0; step < 3_000; step++) {
    const [any] = [...uploads].slice(below(random, Math.max(1, uploads.size)));
    const dice = below(random, 10);
    if (dice < 3 && uploads.size < 30) uploads.add(new Upload(`network ${below(random, 5)}`));
    else if (dice < 6 && any?.outcome === undefined) void any?.grow(any.heldBytes + 1 + below(random, 20));
    else if (dice === 6 && any?.source.destroyed === false && any.outcome === undefined)
      setTimeout(any.fill(), below(random, 900));
    else if (dice === 7) any?.source.destroy();
    else if (dice === 8) void any?.end(new Error('S3 is away'));
    else void any?.end();
    await settle(below(random, 100));
    expect(memory.usedBytes).toBeLessThanOrEqual(100);
    const held = [...uploads].reduce((sum, { heldBytes }) => sum + heldBytes, 0);
    expect(memory.usedBytes).toBe(held);
    for (const upload of uploads) if (upload.outcome !== undefined) uploads.delete(upload);
  }
  await endAll(...uploads);
  await settle(1_000);
});
