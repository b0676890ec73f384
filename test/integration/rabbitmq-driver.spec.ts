// The driver on the machine's RabbitMQ: what becomes of wake-ups that get lost, double, or are none.
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { TextField } from '../../src/common/decorators/fields.decorator.js';
import { HealthService } from '../../src/health/health.service.js';
import { Lifecycle } from '../../src/shared/lifecycle/lifecycle.js';
import { defineJob, Handles, type JobContext, jobDefinitions, type JobHandler } from '../../src/workers/job.js';
import { type ClonedDatabase, cloneDatabase } from '../support/database.js';
import { type JobHouse, openJobHouse } from '../support/job-house.js';
import { rabbitPlace } from '../support/rabbit.js';
import { RABBITMQ_URL, rabbitAnswers } from '../support/services.js';
import { until } from '../support/until.js';

jest.setTimeout(60_000);

class WordPayload {
  @TextField({ max: 100 })
  word!: string;
}
const common = { payload: WordPayload, attempts: 1, backoff: () => 0, timeoutMs: 20_000 };
const Say = defineJob({ ...common, name: 'test.say', queue: 'say' });
const Alone = defineJob({ ...common, name: 'test.alone', queue: 'alone', concurrency: 1 });

const said: Array<{ word: string; id: string }> = [];
let letGo: () => void = () => undefined;
const wordsOf = (id: string) => said.filter((one) => one.id === id).map(({ word }) => word);

class Saying implements JobHandler<WordPayload> {
  async run({ word }: WordPayload, { id }: JobContext) {
    said.push({ word, id });
    if (word === 'fail') throw new Error('as asked');
    if (word === 'wait') await new Promise<void>((resolve) => (letGo = resolve));
  }
}
@Handles(Say)
class SayHandler extends Saying {}
@Handles(Alone)
class AloneHandler extends Saying {}

const suite = rabbitAnswers ? describe : describe.skip;
suite('over the machine’s RabbitMQ', () => {
  const place = rabbitPlace();
  const prefix = place.env['RABBITMQ_QUEUE'] as string;
  const work = `${prefix}.say`;
  let database: ClonedDatabase;
  let model: ChannelModel;
  let channel: Channel;
  const houses: JobHouse[] = [];

  beforeAll(async () => {
    database = await cloneDatabase();
    model = await connect(RABBITMQ_URL);
    channel = await model.createChannel();
    for (const one of [model, channel]) one.on('error', () => undefined); // what is asked of it then fails by itself
  });
  afterEach(async () => {
    letGo();
    for (const house of houses.splice(0)) await house.close();
    await channel.purgeQueue(work);
    await channel.purgeQueue(`${work}.dead`);
  });
  afterAll(async () => {
    await model.close();
    await place.forget(new Set([...jobDefinitions().values()].map(({ queue }) => queue)));
    await database.drop();
  });

  async function open(env: Record<string, string> = {}): Promise<JobHouse> {
    const house = await openJobHouse(database.url, [SayHandler, AloneHandler], { ...place.env, ...env });
    houses.push(house);
    await house.transaction.query({ text: `DELETE FROM jobs` });
    return house;
  }
  const ready = async (queue = work) => (await channel.checkQueue(queue)).messageCount;
  const isReady = (count: number, queue = work) =>
    until(async () => (await ready(queue)) === count, `${count} messages in ${queue}`);
  const isSaid = (id: string) => until(() => wordsOf(id).length > 0, `job ${id} to run`);
  const enqueue = async (house: JobHouse, word: string) => (await house.queue.enqueue(Say, { word })).id;
  /** On a channel of its own: the broker closes that of who asks for what is not there. */
  async function exists(queue: string): Promise<boolean> {
    const asking = await model.createChannel();
    asking.on('error', () => undefined);
    try {
      await asking.checkQueue(queue);
      await asking.close();
      return true;
    } catch {
      return false;
    }
  }
  async function takeDead(): Promise<string[]> {
    const found: string[] = [];
    for (;;) {
      const message = await channel.get(`${work}.dead`, { noAck: true });
      if (message === false) return found;
      found.push(message.content.toString());
    }
  }

  it('tells of a job in a process that only enqueues, and runs it where it is received', async () => {
    const api = await open();
    expect(api.driver.broker).toEqual({ isUp: true, reason: null });
    const id = await enqueue(api, 'hello');
    await isReady(1);
    const message = await channel.get(work);
    if (message === false) throw new Error('It was there just now.');
    expect(JSON.parse(message.content.toString())).toEqual({ jobId: id });
    expect(message.properties).toMatchObject({ messageId: id, deliveryMode: 2 });
    channel.nack(message);
    await (await open()).transaction.query({ text: 'SELECT' });
    const id2 = await enqueue(api, 'again'); // the second house emptied the table
    await (houses[1] as JobHouse).work();
    await isSaid(id2);
    await isReady(0);
  });

  it('runs what is enqueued at once, not when a scan comes by', async () => {
    const house = await (await open()).work();
    await isSaid(await enqueue(house, 'warm'));
    const began = performance.now();
    for (let turn = 0; turn < 20; turn++) await isSaid(await enqueue(house, 'quick'));
    expect(performance.now() - began).toBeLessThan(5_000); // 20 scans are 10 s, and two are needed for each
  });

  it('tells again of jobs whose wake-up got lost, and of those that are older than the broker, but multiplies no backlog', async () => {
    const api = await open();
    for (let n = 0; n < 30; n++) await api.queue.enqueue(Alone, { word: 'backlog' });
    await enqueue(api, 'lost');
    await isReady(30, `${prefix}.alone`);
    await isReady(1);
    await api.transaction.query({
      text: `UPDATE jobs SET turn = now() - interval '1 min', announce_at = announce_at - interval '1 min' WHERE queue = 'alone'`,
    });
    await channel.purgeQueue(work);
    await isReady(1);
    await api.transaction.query({ text: `UPDATE jobs SET turn = now() - interval '1 min', announce_at = NULL` });
    await channel.purgeQueue(work);
    await isReady(1);
    expect(await ready(`${prefix}.alone`)).toBe(30);
    await channel.purgeQueue(`${prefix}.alone`);
  });

  it('runs what it holds no wake-up for: it may be lost, or lie with somebody busy', async () => {
    const house = await (await open()).work();
    await house.transaction.query({
      text: `INSERT INTO jobs (id, uuid, type, queue, payload, max_attempts, announce_at)
             VALUES (1, '01890000-0000-7000-8000-000000000001', 'test.say', 'say', '{"word": "told of"}', 1, now() + interval '9 days')`,
    });
    await isSaid('01890000-0000-7000-8000-000000000001');
    expect(await ready()).toBe(0);
  });

  it('is not hurt by a wake-up that comes twenty times, before and after', async () => {
    const house = await (await open()).work();
    const id = await enqueue(house, 'wait');
    await isSaid(id);
    const wakeUp = Buffer.from(JSON.stringify({ jobId: id }));
    for (let n = 0; n < 20; n++) channel.publish(`${prefix}.jobs`, 'say', wakeUp);
    letGo();
    for (let n = 0; n < 20; n++) channel.sendToQueue(work, wakeUp);
    await isSaid(await enqueue(house, 'after'));
    await isReady(0);
    expect(wordsOf(id)).toEqual(['wait']);
    expect(await takeDead()).toEqual([]);
  });

  it('sends what is no wake-up to the dead letters, and goes on', async () => {
    const house = await (await open()).work();
    const garbage = ['', 'no JSON', '{}', 'null', '{"jobId": 5}', '{"jobId": "x"}', '\u0000'];
    for (const text of garbage) channel.sendToQueue(work, Buffer.from(text));
    const dead = new Set<string>();
    await until(async () => {
      for (const text of await takeDead()) dead.add(text);
      return dead.size === garbage.length;
    }, 'all of it to be dead');
    expect([...dead].sort()).toEqual([...garbage].sort());
    await isSaid(await enqueue(house, 'still here'));
  });

  it('announces dead jobs to the dead letters', async () => {
    const house = await (await open()).work();
    const jobId = await enqueue(house, 'fail');
    await isReady(1, `${work}.dead`);
    expect((await takeDead()).map((text) => JSON.parse(text) as unknown)).toEqual([
      { jobId, type: 'test.say', reason: 'JOB_HANDLER_FAILED' },
    ]);
  });

  it('takes the most urgent row, whichever wake-up comes first', async () => {
    const house = await (await open()).work();
    const { id: holder } = await house.queue.enqueue(Alone, { word: 'wait' });
    await isSaid(holder);
    const { id: first } = await house.queue.enqueue(Alone, { word: 'usual' }, { priority: 1 });
    await isReady(0, `${prefix}.alone`); // its wake-up lies in the process already
    const { id: second } = await house.queue.enqueue(Alone, { word: 'urgent' }, { priority: 5 });
    letGo();
    await isSaid(first);
    expect(said.slice(-2).map(({ id }) => id)).toEqual([second, first]);
  });

  it.each([
    ['receives', true],
    ['only enqueues', false],
  ])('declares anew what was deleted under a process that %s', async (_what, receives) => {
    const house = await open();
    if (receives) await house.work();
    await channel.deleteQueue(work);
    const id = receives ? null : await enqueue(house, 'returned'); // who receives is told by the broker
    await until(() => exists(work), 'the queue to be back');
    if (id === null) await isSaid(await enqueue(house, 'received'));
    else await isReady(1);
    const line = receives ? 'was cancelled' : 'no queue takes say';
    expect(house.log.filter((one) => one.includes('"level":"warn"') && one.includes(line))).toHaveLength(1);
    await until(() => house.driver.broker?.isUp, 'the driver to be back');
  });

  it('says once what to do about a queue with other arguments, works without the broker, and returns when it is mended', async () => {
    const other = `${prefix}.other`;
    await channel.assertQueue(`${other}.say`, { durable: true });
    const house = await (await open({ RABBITMQ_QUEUE: other })).work();
    try {
      expect(house.driver.broker).toMatchObject({
        isUp: false,
        reason: expect.stringContaining('PRECONDITION_FAILED'),
      });
      await isSaid(await enqueue(house, 'without'));
      const errors = () => house.log.filter((line) => line.includes('"level":"error"'));
      expect(errors()).toEqual([expect.stringContaining('delete it, no job is in it')]);
      await channel.deleteQueue(`${other}.say`);
      await until(() => house.driver.broker?.isUp, 'the driver to come');
      expect(errors()).toHaveLength(1);
    } finally {
      await houses.pop()?.close();
      for (const { queue } of jobDefinitions().values())
        for (const name of [queue, `${queue}.dead`]) await channel.deleteQueue(`${other}.${name}`);
      for (const exchange of ['jobs', 'dead']) await channel.deleteExchange(`${other}.${exchange}`);
    }
  });

  it('is known to readiness, which stays 200', async () => {
    const house = await open({ APP_ROLE: 'api' });
    const health = house.get(HealthService);
    house.get(Lifecycle).serve();
    expect(await health.checkReady()).toMatchObject({
      status: 'ok',
      details: { broker: { status: 'up', kind: 'rabbitmq' } },
    });
    const refused = await open({ RABBITMQ_URL: RABBITMQ_URL.replace(/\/\/(.*@)?/, '//guest:open-sesame@') });
    refused.get(Lifecycle).serve();
    expect(await refused.get(HealthService).checkReady()).toMatchObject({
      status: 'degraded',
      details: { broker: { status: 'degraded', kind: 'rabbitmq' } },
    });
    expect(refused.log.filter((line) => line.includes('RabbitMQ refuses the login'))).toHaveLength(1);
    expect(refused.log.join()).not.toContain('open-sesame');
  });
});
