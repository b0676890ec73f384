// Wake-ups of one queue: leave to claim for each, acknowledged after the claim, and leave without any when they are lost.
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

describe('with wake-ups', () => {
  it('gives leave for as many as there are wake-ups and places', () => {
    expect(inbox.leave(5)).toBeNull();
    arrive(1, 2, 3);
    expect(leave(2).most).toBe(2);
    expect(leave(5).most).toBe(1);
    expect(inbox.leave(5)).toBeNull();
  });

  it('acknowledges them once the claim is committed, also those that came for nothing', () => {
    arrive(1, 2);
    const both = leave(5);
    expect(acked).toEqual([]);
    both.claimed(1);
    expect(acked).toEqual([1, 2]);
  });

  it('keeps those of a failed claim for the next', () => {
    arrive(1, 2, 3);
    leave(2).failed();
    expect(acked).toEqual([]);
    leave(3).claimed(3);
    expect(acked).toEqual([1, 2, 3]);
  });

  it('gives up those that waited too long for a place', () => {
    arrive(1);
    inbox.drop(60_000);
    expect(acked).toEqual([]);
    inbox.drop(-1);
    expect(acked).toEqual([1]);
    expect(inbox.leave(1)).toBeNull();
  });
});

describe('when a scan finds due jobs', () => {
  it('gives leave at once without a broker, and goes on while there are enough', () => {
    expect(inbox.found(false)).toBe(true);
    const all = leave(3);
    expect(all.most).toBe(3);
    all.claimed(3);
    leave(3).claimed(2);
    expect(inbox.leave(3)).toBeNull();
  });

  it('waits for the wake-up with a broker, until the second scan in vain', () => {
    expect(inbox.found(true)).toBe(false);
    expect(inbox.leave(3)).toBeNull();
    expect(inbox.found(true)).toBe(true);
    expect(leave(3).most).toBe(3);
  });

  it('does not take them for lost when one came in between, or waits for a place', () => {
    inbox.found(true);
    arrive(1);
    leave(1).claimed(1);
    expect(inbox.found(true)).toBe(false);
    arrive(2);
    for (let scan = 0; scan < 3; scan++) expect(inbox.found(true)).toBe(true);
    expect(leave(3).most).toBe(1);
  });
});

it('refuses a broker that would ignore what it is asked for', () => {
  for (const version of ['3.9.29', '3.8.0', '2.99.1', '?']) expect(() => expectVersion(version)).toThrow(RabbitRefusal);
  for (const version of ['3.10.0', '3.10.8', '3.13.7', '4.0.1']) expect(() => expectVersion(version)).not.toThrow();
});
