// The wake-up buffer of one queue: claims per wake-up, acknowledgement after the claim, and claims for lost wake-ups.
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Leave } from '../../src/workers/drivers/queue.driver.js';
import { Inbox } from '../../src/workers/drivers/rabbitmq.inbox.js';
import { RabbitRefusal } from '../../src/workers/drivers/rabbitmq.refusal.js';
import { expectVersion } from '../../src/workers/drivers/rabbitmq.topology.js';

let inbox: Inbox;
let acked: number[];
const arrive = (...ids: number[]) => {
  for (const id of ids) inbox.add({ at: performance.now(), ack: () => void acked.push(id) });
};
const leave = (free: number) => inbox.leave(free) as Leave;

beforeEach(() => {
  inbox = new Inbox();
  acked = [];
});

describe('the wake-up buffer with buffered wake-ups', () => {
  it('permits claims for as many jobs as there are wake-ups and free slots', () => {
    expect(inbox.leave(5)).toBeNull();
    arrive(1, 2, 3);
    expect(leave(2).most).toBe(2);
    expect(leave(5).most).toBe(1);
    expect(inbox.leave(5)).toBeNull();
  });

  it('acknowledges wake-ups once the claim is committed, including those without a job', () => {
    arrive(1, 2);
    const both = leave(5);
    expect(acked).toEqual([]);
    both.claimed(1);
    expect(acked).toEqual([1, 2]);
  });

  it('keeps the wake-ups of a failed claim for the next claim', () => {
    arrive(1, 2, 3);
    leave(2).failed();
    expect(acked).toEqual([]);
    leave(3).claimed(3);
    expect(acked).toEqual([1, 2, 3]);
  });

  it('returns the wake-ups that wait too long for a free slot', () => {
    arrive(1);
    inbox.drop(60_000);
    expect(acked).toEqual([]);
    inbox.drop(-1);
    expect(acked).toEqual([1]);
    expect(inbox.leave(1)).toBeNull();
  });
});

describe('the wake-up buffer when a scan finds due jobs', () => {
  it('permits a claim at once without a broker, and continues while enough jobs are due', () => {
    expect(inbox.found(false)).toBe(true);
    const all = leave(3);
    expect(all.most).toBe(3);
    all.claimed(3);
    leave(3).claimed(2);
    expect(inbox.leave(3)).toBeNull();
  });

  it('waits for the wake-up with a broker, until the second scan without one', () => {
    expect(inbox.found(true)).toBe(false);
    expect(inbox.leave(3)).toBeNull();
    expect(inbox.found(true)).toBe(true);
    expect(leave(3).most).toBe(3);
  });

  it('does not count wake-ups as lost while others arrive or wait for a slot', () => {
    inbox.found(true);
    arrive(1);
    leave(1).claimed(1);
    expect(inbox.found(true)).toBe(false);
    arrive(2);
    for (let scan = 0; scan < 3; scan++) expect(inbox.found(true)).toBe(true);
    expect(leave(3).most).toBe(1);
  });
});

it('refuses RabbitMQ before 3.10, which ignores required queue arguments', () => {
  for (const version of ['3.9.29', '3.8.0', '2.99.1', '?']) expect(() => expectVersion(version)).toThrow(RabbitRefusal);
  for (const version of ['3.10.0', '3.10.8', '3.13.7', '4.0.1']) expect(() => expectVersion(version)).not.toThrow();
});
