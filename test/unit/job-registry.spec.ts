// The job registry refuses incomplete or contradictory definitions at the start and names the cure.
import { describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { JobSettings } from '../../src/workers/jobs.settings.js';
import { ThreadSettings } from '../../src/workers/threads/threads.settings.js';
import { JobRegistry } from '../../src/workers/engine/job-registry.js';
import { NoPayload } from '../../src/workers/no-payload.js';
import { defineJob, Handles, type JobHandler } from '../../src/workers/job.js';
import { testConfig } from '../support/config.js';

const common = { payload: NoPayload, attempts: 1, backoff: () => 0, timeoutMs: 1_000 };
const PackBags = defineJob({ ...common, name: 'trip.pack-bags', queue: 'trips', concurrency: 2 });

class Packs implements JobHandler<NoPayload> {
  run(): Promise<void> {
    return Promise.resolve();
  }
}
@Handles(PackBags)
class PackBagsHandler extends Packs {}
@Handles(PackBags)
class SecondHandler extends Packs {}

const Draw = defineJob({ ...common, name: 'trip.draw', queue: 'drawings', concurrency: 'render' });
@Handles(Draw)
class DrawHandler extends Packs {}

/** The registry as the worker module builds it, without a database. */
async function start(handlers: Type[], env: Record<string, string> = {}): Promise<JobRegistry> {
  const config = testConfig('postgres://nowhere', env);
  const settings = [JobSettings, ThreadSettings].map((area) => ({ provide: area, useValue: config.get<object>(area) }));
  const application = await Test.createTestingModule({
    imports: [DiscoveryModule],
    providers: [JobRegistry, ...settings, DrawHandler, ...handlers],
  }).compile();
  await application.init();
  return application.get(JobRegistry);
}

it('the application starts with one handler for each job', async () => {
  await expect(start([PackBagsHandler])).resolves.toBeInstanceOf(JobRegistry);
});

it('as many jobs that need a thread run at once as there are threads', async () => {
  const registry = await start([PackBagsHandler], { THREADS_RENDER: '3' });
  expect(registry.queues).toContainEqual({ name: 'drawings', concurrency: 3 });
});

describe('the application does not start', () => {
  it('with a job that has no handler', async () => {
    await expect(start([])).rejects.toThrow(
      /^Job trip\.pack-bags has no handler\. Write one[^]*@Handles\(TripPackBags\)\n\s+export class TripPackBagsHandler implements JobHandler/,
    );
  });

  it('with a job that has two handlers', async () => {
    await expect(start([PackBagsHandler, SecondHandler])).rejects.toThrow(
      'Job trip.pack-bags has two handlers, PackBagsHandler and SecondHandler: take @Handles off one of them.',
    );
  });

  it('with two jobs that set different concurrency for one queue', async () => {
    const Unpack = defineJob({ ...common, name: 'trip.unpack', queue: 'trips', concurrency: 3 });
    @Handles(Unpack)
    class UnpackHandler extends Packs {}
    await expect(start([PackBagsHandler, UnpackHandler])).rejects.toThrow(
      /share the queue trips: give them the same concurrency, or queues of their own/,
    );
  });
});

describe('a job definition is refused', () => {
  it.each([
    ['with a name that is taken', { name: 'trip.pack-bags' }, 'is defined twice'],
    ['with an invalid name', { name: 'Trip!' }, 'names are like report.pdf'],
    ['with zero attempts', { name: 'trip.a', attempts: 0 }, 'whole numbers from 1 on, not 0'],
    ['with a timeout below 1 ms', { name: 'trip.b', timeoutMs: 0.5 }, 'whole numbers from 1 on, not 0.5'],
    [
      'with an invalid schedule',
      { name: 'trip.c', schedule: { cron: 'never', timeZone: 'UTC', payload: {} } },
      'the schedule "never" in UTC cannot be read',
    ],
    [
      'with an unknown time zone',
      { name: 'trip.d', schedule: { cron: '0 3 * * *', timeZone: 'Mars/Olympus', payload: {} } },
      'the schedule "0 3 * * *" in Mars/Olympus cannot be read',
    ],
  ])('%s', (_how, options, message) => {
    expect(() => defineJob({ ...common, queue: 'trips', ...options })).toThrow(message);
  });
});
