// RabbitMQ that dies, freezes, is full or absent: jobs continue to run, and the driver reconnects by itself.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { IntField } from '../../src/common/decorators/fields.decorator.js';
import { defineJob, Handles, type JobHandler } from '../../src/workers/job.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { type JobApplication, openJobApplication } from '../support/jobs/job-application.js';
import { TcpProxy } from '../support/engines/tcp-proxy.js';
import { OwnRabbit } from '../support/engines/own-rabbit.js';
import { RABBITMQ_BIN } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

class NumberPayload {
  @IntField({ min: 0, max: 1_000_000 })
  number!: number;
}
const Count = defineJob({
  ...{ name: 'test.count', queue: 'count', payload: NumberPayload },
  ...{ attempts: 1, backoff: () => 0, timeoutMs: 20_000 },
});
const counted: number[] = [];

@Handles(Count)
class CountHandler implements JobHandler<NumberPayload> {
  async run({ number }: NumberPayload) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    counted.push(number);
  }
}

const suite = RABBITMQ_BIN === undefined ? describe.skip : describe;
suite('RabbitMQ outages', () => {
  let rabbit: OwnRabbit;
  let database: ClonedDatabase;
  let next = 0;
  const apps: JobApplication[] = [];

  beforeAll(async () => {
    [rabbit, database] = await Promise.all([OwnRabbit.start(), cloneDatabase()]);
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });
  afterAll(async () => {
    await rabbit.stop();
    await database.drop();
  });

  async function open(url = rabbit.url): Promise<JobApplication> {
    const app = await openJobApplication(database.url, [CountHandler], { RABBITMQ_URL: url });
    apps.push(app);
    return app;
  }
  const enqueue = async (app: JobApplication, count: number) => {
    const numbers = Array.from({ length: count }, () => next++);
    await app.queue.enqueueAll(
      Count,
      numbers.map((number) => ({ number })),
    );
    return numbers;
  };
  const areCounted = (numbers: readonly number[], withinMs = 30_000) =>
    until(() => numbers.every((number) => counted.includes(number)), `${numbers.length} jobs`, withinMs);
  const becomes = (app: JobApplication, isUp: boolean, withinMs: number) =>
    until(() => app.driver.broker?.isUp === isUp, `the broker to be ${isUp ? 'up' : 'away'}`, withinMs);
  /** RabbitMQ loses the last second before a kill; its queues then exist but are dead. */
  const isOnDisk = () => new Promise((resolve) => setTimeout(resolve, 5_000));
  const lines = (app: JobApplication, text: string) => app.log.filter((line) => line.includes(text));

  it('a kill right after the declaration of queues: the driver replaces their remains', async () => {
    const app = await (await open()).work();
    await rabbit.kill();
    await areCounted(await enqueue(app, 20));
    await rabbit.up();
    await becomes(app, true, 30_000);
    await areCounted(await enqueue(app, 20));
    await isOnDisk();
  });

  it.each(['killed', 'killed and wiped'])(
    'RabbitMQ %s: each job runs once during the outage, and wake-ups resume afterwards',
    async (how) => {
      const app = await (await open()).work();
      const before = await enqueue(app, 200);
      await areCounted(before.slice(0, 20));
      await rabbit.kill();
      if (how !== 'killed') rabbit.wipe();
      const during = await enqueue(app, 100);
      await areCounted([...before, ...during]); // during the outage
      expect(app.driver.broker?.isUp).toBe(false);
      await rabbit.up();
      await becomes(app, true, 10_000);
      const began = performance.now();
      for (let turn = 0; turn < 10; turn++) await areCounted(await enqueue(app, 1));
      expect(performance.now() - began).toBeLessThan(5_000); // wake-ups, not scans
      expect(new Set(counted).size).toBe(counted.length);
      expect(lines(app, 'RabbitMQ is away')).toHaveLength(1);
      expect(lines(app, 'RabbitMQ answers')).toHaveLength(2);
    },
  );

  it('a silent connection is detected within 15 s, and jobs continue to run', async () => {
    const proxy = await TcpProxy.to(rabbit.url);
    const app = await (await open(proxy.url)).work();
    await areCounted(await enqueue(app, 5));
    proxy.silence();
    await becomes(app, false, 16_000);
    const began = performance.now();
    await areCounted(await enqueue(app, 5));
    expect(performance.now() - began).toBeLessThan(5_000);
    await proxy.cut();
  });

  it('a connection that becomes silent during wake-ups delays jobs by seconds only', async () => {
    const proxy = await TcpProxy.to(rabbit.url);
    const app = await (await open(proxy.url)).work();
    await areCounted(await enqueue(app, 5));
    proxy.silence();
    await areCounted(await enqueue(app, 20), 5_000);
    await becomes(app, false, 7_000);
    await proxy.cut();
  });

  it('a broker without free memory is not used until it accepts messages again, and jobs continue to run', async () => {
    const app = await (await open()).work();
    await areCounted(await enqueue(app, 5));
    await rabbit.control('set_vm_memory_high_watermark', '0.000001');
    try {
      await areCounted(await enqueue(app, 20), 10_000);
      await becomes(app, false, 10_000);
      expect(app.driver.broker?.reason).toContain('memory');
      await areCounted(await enqueue(app, 20), 10_000);
    } finally {
      await rabbit.control('set_vm_memory_high_watermark', '0.4');
    }
    await becomes(app, true, 10_000);
    await areCounted(await enqueue(app, 5));
    expect(lines(app, 'RabbitMQ is away')).toHaveLength(1);
  });

  it('without a broker the application starts, logs this once, and connects later', async () => {
    await rabbit.kill();
    const app = await (await open()).work();
    expect(app.driver.broker?.isUp).toBe(false);
    await areCounted(await enqueue(app, 20));
    await rabbit.up();
    await becomes(app, true, 10_000);
    expect(lines(app, 'RabbitMQ is away')).toHaveLength(1);
  });

  describe('a refusal by the broker', () => {
    const urlOf = (password: string, vhost = '%2f') => {
      const url = new URL(rabbit.url);
      [url.username, url.password, url.pathname] = ['app', password, `/${vhost}`];
      return url.href;
    };
    const permit = (vhost: string, what: string) =>
      rabbit.control('set_permissions', '-p', vhost, 'app', what, what, what);
    /**
     * Expects that jobs run, and that the log contains the broker's reason once, without the password. A refused message may
     * come before the reason that lasts, which is that of the next connection.
     */
    const isTold = async (app: JobApplication, code: string, reason: RegExp) => {
      await until(() => reason.test(app.driver.broker?.reason ?? ''), `a refusal because of ${reason}`, 30_000);
      expect(app.driver.refusal).toBe(code);
      await areCounted(await enqueue(app, 5));
      const errors = app.log.filter((line) => line.includes('"level":"error"'));
      expect(errors.filter((line) => reason.test(line))).toHaveLength(1);
      expect(app.log.join()).not.toContain('sesame');
    };
    const heals = async (app: JobApplication) => {
      await becomes(app, true, 30_000);
      expect(app.driver.refusal).toBeNull();
      await areCounted(await enqueue(app, 5));
    };

    beforeEach(async () => {
      await rabbit.control('add_user', 'app', 'sesame-1');
      await permit('/', '.*');
    });
    afterEach(() => rabbit.control('delete_user', 'app'));

    it('after a password change is logged with its reason, jobs run, and the driver recovers', async () => {
      const app = await (await open(urlOf('sesame-1'))).work();
      await areCounted(await enqueue(app, 5));
      await rabbit.control('change_password', 'app', 'sesame-2');
      await rabbit.control('close_all_connections', '--vhost', '/', 'the password was changed');
      await isTold(app, 'ACCESS_REFUSED', /refuses the login of RABBITMQ_URL \(ACCESS_REFUSED - Login was refused/);
      await rabbit.control('change_password', 'app', 'sesame-1');
      await heals(app);
    });

    it('after a loss of permissions is logged with its reason, jobs run, and the driver recovers', async () => {
      const app = await (await open(urlOf('sesame-1'))).work();
      await areCounted(await enqueue(app, 5));
      await permit('/', '^$');
      let last = -Infinity;
      // The broker checks permissions on publish, but caches them until a channel is idle for a second.
      const isRefused = async () => {
        if (performance.now() - last > 5_000) {
          await enqueue(app, 1);
          last = performance.now();
        }
        return app.driver.refusal !== null;
      };
      await until(isRefused, 'a refusal', 60_000);
      await isTold(app, 'ACCESS_REFUSED', /may not declare .* \(.*ACCESS_REFUSED - access to exchange/);
      await permit('/', '.*');
      await heals(app);
    });

    it('after the deletion of the virtual host is logged, jobs run, and the driver recovers', async () => {
      await rabbit.control('add_vhost', 'jobs');
      await permit('jobs', '.*');
      const app = await (await open(urlOf('sesame-1', 'jobs'))).work();
      await areCounted(await enqueue(app, 5));
      await rabbit.control('delete_vhost', 'jobs');
      await isTold(app, 'NOT_ALLOWED', /refuses the virtual host of RABBITMQ_URL \(NOT_ALLOWED\)/);
      await rabbit.control('add_vhost', 'jobs');
      await permit('jobs', '.*');
      await heals(app);
    });
  });

  it('a shutdown closes all connections and returns the received wake-ups at once', async () => {
    const app = await (await open()).work();
    await areCounted(await enqueue(app, 50));
    expect(await rabbit.control('list_connections', 'pid')).toMatch(/\S/);
    await app.close();
    apps.pop();
    await until(async () => (await rabbit.control('list_connections', 'pid')).trim() === '', 'no connection');
  });
});
