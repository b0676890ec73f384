// RabbitMQ that dies, freezes, is full or was never there: the jobs go on, and the driver comes back by itself.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { IntField } from '../../src/common/decorators/fields.decorator.js';
import { defineJob, Handles, type JobHandler } from '../../src/workers/job.js';
import { type ClonedDatabase, cloneDatabase } from '../support/database.js';
import { type JobHouse, openJobHouse } from '../support/job-house.js';
import { Line } from '../support/line.js';
import { OwnRabbit } from '../support/own-rabbit.js';
import { RABBITMQ_BIN } from '../support/services.js';
import { until } from '../support/until.js';

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
suite('a RabbitMQ of its own', () => {
  let rabbit: OwnRabbit;
  let database: ClonedDatabase;
  let next = 0;
  const houses: JobHouse[] = [];

  beforeAll(async () => {
    [rabbit, database] = await Promise.all([OwnRabbit.start(), cloneDatabase()]);
  });
  afterEach(async () => {
    for (const house of houses.splice(0)) await house.close();
  });
  afterAll(async () => {
    await rabbit.stop();
    await database.drop();
  });

  async function open(url = rabbit.url): Promise<JobHouse> {
    const house = await openJobHouse(database.url, [CountHandler], { RABBITMQ_URL: url });
    houses.push(house);
    return house;
  }
  const enqueue = async (house: JobHouse, count: number) => {
    const numbers = Array.from({ length: count }, () => next++);
    await house.queue.enqueueAll(
      Count,
      numbers.map((number) => ({ number })),
    );
    return numbers;
  };
  const areCounted = (numbers: readonly number[], withinMs = 30_000) =>
    until(() => numbers.every((number) => counted.includes(number)), `${numbers.length} jobs`, withinMs);
  const becomes = (house: JobHouse, isUp: boolean, withinMs: number) =>
    until(() => house.driver.broker?.isUp === isUp, `the broker to be ${isUp ? 'up' : 'away'}`, withinMs);
  /** RabbitMQ forgets what it was told within a second or so before it is killed: queues are then there, and dead. */
  const isOnDisk = () => new Promise((resolve) => setTimeout(resolve, 5_000));
  const lines = (house: JobHouse, text: string) => house.log.filter((line) => line.includes(text));

  it('killed when its queues are new: what is left of them is replaced', async () => {
    const house = await (await open()).work();
    await rabbit.kill();
    await areCounted(await enqueue(house, 20));
    await rabbit.up();
    await becomes(house, true, 30_000);
    await areCounted(await enqueue(house, 20));
    await isOnDisk();
  });

  it.each(['killed', 'killed and wiped'])(
    '%s: jobs go on, each is done once, and it is told of jobs again',
    async (how) => {
      const house = await (await open()).work();
      const before = await enqueue(house, 200);
      await areCounted(before.slice(0, 20));
      await rabbit.kill();
      if (how !== 'killed') rabbit.wipe();
      const during = await enqueue(house, 100);
      await areCounted([...before, ...during]); // while it is away
      expect(house.driver.broker?.isUp).toBe(false);
      await rabbit.up();
      await becomes(house, true, 10_000);
      const began = performance.now();
      for (let turn = 0; turn < 10; turn++) await areCounted(await enqueue(house, 1));
      expect(performance.now() - began).toBeLessThan(5_000); // news, not scans
      expect(new Set(counted).size).toBe(counted.length);
      expect(lines(house, 'RabbitMQ is away')).toHaveLength(1);
      expect(lines(house, 'RabbitMQ answers')).toHaveLength(2);
    },
  );

  it('silent: noticed within 15 s, and jobs go on', async () => {
    const line = await Line.to(rabbit.url);
    const house = await (await open(line.url)).work();
    await areCounted(await enqueue(house, 5));
    line.silence();
    await becomes(house, false, 16_000);
    const began = performance.now();
    await areCounted(await enqueue(house, 5));
    expect(performance.now() - began).toBeLessThan(5_000);
    await line.cut();
  });

  it('silent while it is told of jobs: these are done within seconds all the same', async () => {
    const line = await Line.to(rabbit.url);
    const house = await (await open(line.url)).work();
    await areCounted(await enqueue(house, 5));
    line.silence();
    await areCounted(await enqueue(house, 20), 5_000);
    await becomes(house, false, 7_000);
    await line.cut();
  });

  it('full: it takes nothing, jobs go on, and it is used again when it does', async () => {
    const house = await (await open()).work();
    await areCounted(await enqueue(house, 5));
    await rabbit.control('set_vm_memory_high_watermark', '0.000001');
    try {
      await areCounted(await enqueue(house, 20), 10_000);
      await becomes(house, false, 10_000);
      expect(house.driver.broker?.reason).toContain('memory');
      await areCounted(await enqueue(house, 20), 10_000);
    } finally {
      await rabbit.control('set_vm_memory_high_watermark', '0.4');
    }
    await becomes(house, true, 10_000);
    await areCounted(await enqueue(house, 5));
    expect(lines(house, 'RabbitMQ is away')).toHaveLength(1);
  });

  it('not there at the start: the house starts, says so once, and finds it later', async () => {
    await rabbit.kill();
    const house = await (await open()).work();
    expect(house.driver.broker?.isUp).toBe(false);
    await areCounted(await enqueue(house, 20));
    await rabbit.up();
    await becomes(house, true, 10_000);
    expect(lines(house, 'RabbitMQ is away')).toHaveLength(1);
  });

  describe('that refuses us', () => {
    const urlOf = (password: string, vhost = '%2f') => {
      const url = new URL(rabbit.url);
      [url.username, url.password, url.pathname] = ['app', password, `/${vhost}`];
      return url.href;
    };
    const permit = (vhost: string, what: string) =>
      rabbit.control('set_permissions', '-p', vhost, 'app', what, what, what);
    /** Jobs go on, and the log tells the broker's reason once, without the password. */
    const isTold = async (house: JobHouse, code: string, reason: RegExp) => {
      await until(() => house.driver.refusal === code, `a refusal with ${code}`, 30_000);
      await areCounted(await enqueue(house, 5));
      expect(house.driver.broker?.reason).toMatch(reason);
      const errors = house.log.filter((line) => line.includes('"level":"error"'));
      expect(errors.filter((line) => reason.test(line))).toHaveLength(1);
      expect(house.log.join()).not.toContain('sesame');
    };
    const heals = async (house: JobHouse) => {
      await becomes(house, true, 30_000);
      expect(house.driver.refusal).toBeNull();
      await areCounted(await enqueue(house, 5));
    };

    beforeEach(async () => {
      await rabbit.control('add_user', 'app', 'sesame-1');
      await permit('/', '.*');
    });
    afterEach(() => rabbit.control('delete_user', 'app'));

    it('since the password was changed: its reason is told, jobs go on, and it heals', async () => {
      const house = await (await open(urlOf('sesame-1'))).work();
      await areCounted(await enqueue(house, 5));
      await rabbit.control('change_password', 'app', 'sesame-2');
      await rabbit.control('close_all_connections', '--vhost', '/', 'the password was changed');
      await isTold(house, 'ACCESS_REFUSED', /refuses the login of RABBITMQ_URL \(ACCESS_REFUSED - Login was refused/);
      await rabbit.control('change_password', 'app', 'sesame-1');
      await heals(house);
    });

    it('since permissions were taken away: its reason is told, jobs go on, and it heals', async () => {
      const house = await (await open(urlOf('sesame-1'))).work();
      await areCounted(await enqueue(house, 5));
      await permit('/', '^$');
      let last = -Infinity;
      // The broker looks at permissions when it is told of a job, but remembers them until a channel rests for a second.
      const isRefused = async () => {
        if (performance.now() - last > 5_000) {
          await enqueue(house, 1);
          last = performance.now();
        }
        return house.driver.refusal !== null;
      };
      await until(isRefused, 'a refusal', 60_000);
      await isTold(house, 'ACCESS_REFUSED', /may not declare .* \(.*ACCESS_REFUSED - access to exchange/);
      await permit('/', '.*');
      await heals(house);
    });

    it('since its virtual host was deleted: that is told, jobs go on, and it heals', async () => {
      await rabbit.control('add_vhost', 'jobs');
      await permit('jobs', '.*');
      const house = await (await open(urlOf('sesame-1', 'jobs'))).work();
      await areCounted(await enqueue(house, 5));
      await rabbit.control('delete_vhost', 'jobs');
      await isTold(house, 'NOT_ALLOWED', /refuses the virtual host of RABBITMQ_URL \(NOT_ALLOWED\)/);
      await rabbit.control('add_vhost', 'jobs');
      await permit('jobs', '.*');
      await heals(house);
    });
  });

  it('left: no connection remains, and what was received is given back at once', async () => {
    const house = await (await open()).work();
    await areCounted(await enqueue(house, 50));
    expect(await rabbit.control('list_connections', 'pid')).toMatch(/\S/);
    await house.close();
    houses.pop();
    await until(async () => (await rabbit.control('list_connections', 'pid')).trim() === '', 'no connection');
  });
});
