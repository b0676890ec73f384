// The RabbitMQ driver: lost, duplicate and malformed wake-ups.
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { TextField } from '../../src/common/decorators/fields.decorator.js';
import { HealthService } from '../../src/health/health.service.js';
import { Lifecycle } from '../../src/shared/lifecycle/lifecycle.js';
import { defineJob, Handles, type JobContext, jobDefinitions, type JobHandler } from '../../src/workers/job.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { type JobApplication, openJobApplication } from '../support/jobs/job-application.js';
import { rabbitNames } from '../support/engines/rabbit-names.js';
import { RABBITMQ_URL, rabbitAnswers } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

class WordPayload {
  @TextField({ max: 100 })
  word!: string;
}
const common = { payload: WordPayload, attempts: 1, backoff: () => 0, timeoutMs: 20_000 };
const Echo = defineJob({ ...common, name: 'test.echo', queue: 'echo' });
const Alone = defineJob({ ...common, name: 'test.alone', queue: 'alone', concurrency: 1 });

const echoed: Array<{ word: string; id: string }> = [];
let letGo: () => void = () => undefined;
const wordsOf = (id: string) => echoed.filter((one) => one.id === id).map(({ word }) => word);

class EchoingHandler implements JobHandler<WordPayload> {
  async run({ word }: WordPayload, { id }: JobContext) {
    echoed.push({ word, id });
    if (word === 'fail') throw new Error('as asked');
    if (word === 'wait') await new Promise<void>((resolve) => (letGo = resolve));
  }
}
@Handles(Echo)
class EchoHandler extends EchoingHandler {}
@Handles(Alone)
class AloneHandler extends EchoingHandler {}

const suite = rabbitAnswers ? describe : describe.skip;
suite('the RabbitMQ driver', () => {
  const place = rabbitNames();
  const prefix = place.env['RABBITMQ_QUEUE'] as string;
  const work = `${prefix}.echo`;
  let database: ClonedDatabase;
  let model: ChannelModel;
  let channel: Channel;
  const apps: JobApplication[] = [];

  beforeAll(async () => {
    database = await cloneDatabase();
    model = await connect(RABBITMQ_URL);
    channel = await model.createChannel();
    for (const one of [model, channel]) one.on('error', () => undefined); // later calls on it then fail by themselves
  });
  afterEach(async () => {
    letGo();
    for (const app of apps.splice(0)) await app.close();
    await channel.purgeQueue(work);
    await channel.purgeQueue(`${work}.dead`);
  });
  afterAll(async () => {
    await model.close();
    await place.forget(new Set([...jobDefinitions().values()].map(({ queue }) => queue)));
    await database.drop();
  });

  async function open(env: Record<string, string> = {}): Promise<JobApplication> {
    const app = await openJobApplication(database.url, [EchoHandler, AloneHandler], { ...place.env, ...env });
    apps.push(app);
    await app.transaction.query({ text: `DELETE FROM jobs` });
    return app;
  }
  const ready = async (queue = work) => (await channel.checkQueue(queue)).messageCount;
  const isReady = (count: number, queue = work) =>
    until(async () => (await ready(queue)) === count, `${count} messages in ${queue}`);
  const isSaid = (id: string) => until(() => wordsOf(id).length > 0, `job ${id} to run`);
  /** The relay locks a row while it announces the job, and a claim takes other jobs meanwhile. */
  const isAnnounced = (app: JobApplication, id: string) =>
    until(async () => {
      const announced = `SELECT FROM jobs WHERE uuid = $1 AND announce_at > now() + interval '1 hour'`;
      return (await app.transaction.query({ text: announced, values: [id] })).length === 1;
    }, `job ${id} to be announced`);
  const enqueue = async (app: JobApplication, word: string) => (await app.queue.enqueue(Echo, { word })).id;
  /** Uses a separate channel, because the broker closes a channel that asks for a missing queue. */
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

  it('publishes a wake-up in a process that only enqueues, and runs the job in the process that receives it', async () => {
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
    const id2 = await enqueue(api, 'again'); // the start of the second application emptied the table
    await (apps[1] as JobApplication).work();
    await isSaid(id2);
    await isReady(0);
  });

  it('runs an enqueued job at once, without waiting for a scan', async () => {
    const app = await (await open()).work();
    await isSaid(await enqueue(app, 'warm'));
    const began = performance.now();
    for (let turn = 0; turn < 20; turn++) await isSaid(await enqueue(app, 'quick'));
    expect(performance.now() - began).toBeLessThan(5_000); // 20 jobs need two scans each, and 20 scans take 10 s
  });

  it('publishes wake-ups that were lost or never sent, and does not publish those of a backlog again', async () => {
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

  it('runs a due job without its wake-up, which may be lost or held by a busy process', async () => {
    const app = await (await open()).work();
    await app.transaction.query({
      text: `INSERT INTO jobs (id, uuid, type, queue, payload, max_attempts, announce_at)
             VALUES (1, '01890000-0000-7000-8000-000000000001', 'test.echo', 'echo', '{"word": "announced"}', 1, now() + interval '9 days')`,
    });
    await isSaid('01890000-0000-7000-8000-000000000001');
    expect(await ready()).toBe(0);
  });

  it('runs a job once when its wake-up arrives twenty times before and after the run', async () => {
    const app = await (await open()).work();
    const id = await enqueue(app, 'wait');
    await isSaid(id);
    const wakeUp = Buffer.from(JSON.stringify({ jobId: id }));
    for (let n = 0; n < 20; n++) channel.publish(`${prefix}.jobs`, 'echo', wakeUp);
    letGo();
    for (let n = 0; n < 20; n++) channel.sendToQueue(work, wakeUp);
    await isSaid(await enqueue(app, 'after'));
    await isReady(0);
    expect(wordsOf(id)).toEqual(['wait']);
    expect(await takeDead()).toEqual([]);
  });

  it('dead-letters malformed messages, and continues', async () => {
    const app = await (await open()).work();
    const garbage = ['', 'no JSON', '{}', 'null', '{"jobId": 5}', '{"jobId": "x"}', '\u0000'];
    for (const text of garbage) channel.sendToQueue(work, Buffer.from(text));
    const dead = new Set<string>();
    await until(async () => {
      for (const text of await takeDead()) dead.add(text);
      return dead.size === garbage.length;
    }, 'all messages to be dead-lettered');
    expect([...dead].sort()).toEqual([...garbage].sort());
    await isSaid(await enqueue(app, 'still here'));
  });

  it('publishes failed jobs to the dead-letter queue', async () => {
    const app = await (await open()).work();
    const jobId = await enqueue(app, 'fail');
    await isReady(1, `${work}.dead`);
    expect((await takeDead()).map((text) => JSON.parse(text) as unknown)).toEqual([
      { jobId, type: 'test.echo', reason: 'JOB_HANDLER_FAILED' },
    ]);
  });

  it('runs the most urgent job, in any order of wake-ups', async () => {
    const app = await (await open()).work();
    const { id: holder } = await app.queue.enqueue(Alone, { word: 'wait' });
    await isSaid(holder);
    const { id: first } = await app.queue.enqueue(Alone, { word: 'usual' }, { priority: 1 });
    await isAnnounced(app, first);
    const { id: second } = await app.queue.enqueue(Alone, { word: 'urgent' }, { priority: 5 });
    await isAnnounced(app, second);
    letGo();
    await isSaid(first);
    expect(echoed.slice(-2).map(({ id }) => id)).toEqual([second, first]);
  });

  it.each([
    ['consumes wake-ups', true],
    ['only enqueues', false],
  ])('declares a deleted queue again in a process that %s', async (_what, receives) => {
    const app = await open();
    if (receives) await app.work();
    await channel.deleteQueue(work);
    const id = receives ? null : await enqueue(app, 'returned'); // the broker notifies a consumer
    await until(() => exists(work), 'the queue to be back');
    if (id === null) await isSaid(await enqueue(app, 'received'));
    else await isReady(1);
    const line = receives ? 'was cancelled' : 'no queue takes echo';
    expect(app.log.filter((one) => one.includes('"level":"warn"') && one.includes(line))).toHaveLength(1);
    await until(() => app.driver.broker?.isUp, 'the driver to be back');
  });

  it('logs once the cure for a queue with other arguments, works without the broker, and reconnects after the repair', async () => {
    const other = `${prefix}.other`;
    await channel.assertQueue(`${other}.echo`, { durable: true });
    const app = await (await open({ RABBITMQ_QUEUE: other })).work();
    try {
      expect(app.driver.broker).toMatchObject({
        isUp: false,
        reason: expect.stringContaining('PRECONDITION_FAILED'),
      });
      await isSaid(await enqueue(app, 'without'));
      const errors = () => app.log.filter((line) => line.includes('"level":"error"'));
      expect(errors()).toEqual([expect.stringContaining('delete it, no job is in it')]);
      await channel.deleteQueue(`${other}.echo`);
      await until(() => app.driver.broker?.isUp, 'the driver to come');
      expect(errors()).toHaveLength(1);
    } finally {
      await apps.pop()?.close();
      for (const { queue } of jobDefinitions().values())
        for (const name of [queue, `${queue}.dead`]) await channel.deleteQueue(`${other}.${name}`);
      for (const exchange of ['jobs', 'dead']) await channel.deleteExchange(`${other}.${exchange}`);
    }
  });

  it('reports its state in readiness, which stays 200', async () => {
    const app = await open({ APP_ROLE: 'api' });
    const health = app.get(HealthService);
    app.get(Lifecycle).serve();
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
