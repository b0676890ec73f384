// The wake-up buffer of one queue: claims per wake-up, acknowledgement after the claim, and claims for lost wake-ups.
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ClaimPermit } from '../../src/workers/drivers/queue.driver.js';
import { WakeUpBuffer } from '../../src/workers/drivers/rabbitmq.wake-up-buffer.js';
import { RabbitRefusal } from '../../src/workers/drivers/rabbitmq.refusal.js';
import { expectVersion } from '../../src/workers/drivers/rabbitmq.topology.js';

let buffer: WakeUpBuffer;
let acked: number[];
const arrive = (...ids: number[]) => {
  for (const id of ids) buffer.add({ at: performance.now(), ack: () => void acked.push(id) });
};
const permit = (free: number) => buffer.permitClaim(free) as ClaimPermit;

beforeEach(() => {
  buffer = new WakeUpBuffer();
  acked = [];
});

describe('the wake-up buffer with buffered wake-ups', () => {
  it('permits claims for as many jobs as there are wake-ups and free slots', () => {
    expect(buffer.permitClaim(5)).toBeNull();
    arrive(1, 2, 3);
    expect(permit(2).maxJobs).toBe(2);
    expect(permit(5).maxJobs).toBe(1);
    expect(buffer.permitClaim(5)).toBeNull();
  });

  it('acknowledges wake-ups once the claim is committed, including those without a job', () => {
    arrive(1, 2);
    const both = permit(5);
    expect(acked).toEqual([]);
    both.claimed(1);
    expect(acked).toEqual([1, 2]);
  });

  it('keeps the wake-ups of a failed claim for the next claim', () => {
    arrive(1, 2, 3);
    permit(2).failed();
    expect(acked).toEqual([]);
    permit(3).claimed(3);
    expect(acked).toEqual([1, 2, 3]);
  });

  it('returns the wake-ups that wait too long for a free slot', () => {
    arrive(1);
    buffer.drop(60_000);
    expect(acked).toEqual([]);
    buffer.drop(-1);
    expect(acked).toEqual([1]);
    expect(buffer.permitClaim(1)).toBeNull();
  });
});

describe('the wake-up buffer when a scan finds due jobs', () => {
  it('permits a claim at once without a broker, and continues while enough jobs are due', () => {
    expect(buffer.noteDueJobs(false)).toBe(true);
    const all = permit(3);
    expect(all.maxJobs).toBe(3);
    all.claimed(3);
    permit(3).claimed(2);
    expect(buffer.permitClaim(3)).toBeNull();
  });

  it('waits for the wake-up with a broker, until the second scan without one', () => {
    expect(buffer.noteDueJobs(true)).toBe(false);
    expect(buffer.permitClaim(3)).toBeNull();
    expect(buffer.noteDueJobs(true)).toBe(true);
    expect(permit(3).maxJobs).toBe(3);
  });

  it('does not count wake-ups as lost while others arrive or wait for a slot', () => {
    buffer.noteDueJobs(true);
    arrive(1);
    permit(1).claimed(1);
    expect(buffer.noteDueJobs(true)).toBe(false);
    arrive(2);
    for (let scan = 0; scan < 3; scan++) expect(buffer.noteDueJobs(true)).toBe(true);
    expect(permit(3).maxJobs).toBe(1);
  });
});

it('refuses RabbitMQ before 3.10, which ignores required queue arguments', () => {
  for (const version of ['3.9.29', '3.8.0', '2.99.1', '?']) expect(() => expectVersion(version)).toThrow(RabbitRefusal);
  for (const version of ['3.10.0', '3.10.8', '3.13.7', '4.0.1']) expect(() => expectVersion(version)).not.toThrow();
});
