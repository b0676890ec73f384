// Smoke.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { TextField } from '../../src/common/decorators/fields.decorator.js';
import { exponential } from '../../src/shared/libs/backoff.js';
import { defineJob, Handles, type JobContext, type JobHandler } from '../../src/workers/job.js';
import { type ClonedDatabase, cloneDatabase } from '../support/database.js';
import { type JobHouse, openJobHouse } from '../support/job-house.js';
import { until } from '../support/until.js';

class NotePayload { @TextField({ max: 100 }) text!: string; }
const Note = defineJob({ name: 'test.note', queue: 'notes', payload: NotePayload, attempts: 3, backoff: exponential(10), timeoutMs: 5000 });
const seen: string[] = [];
@Handles(Note)
class NoteHandler implements JobHandler<NotePayload> {
  async run({ text }: NotePayload, job: JobContext) { seen.push(text); if (text === 'bad' && job.attempt < 2) throw new Error('no'); return { text }; }
}
let db: ClonedDatabase; let house: JobHouse;
beforeAll(async () => { db = await cloneDatabase(); house = await openJobHouse(db.url, [NoteHandler], {DATABASE_POOL_SIZE:'10'}); await house.work(); });
afterAll(async () => { await house.close(); await db.drop(); });
it('runs', async () => {
  const { id } = await house.queue.enqueue(Note, { text: 'hi' });
  await house.queue.enqueue(Note, { text: 'bad' });
  await until(() => seen.filter((s) => s === 'bad').length === 2, 'both').catch(() => console.log(house.log.join('')));
  await until(async () => { const rows = await house.transaction.query<{status:string,result:unknown,errors:unknown}>({ text: 'select status,result,errors from jobs' }); return rows.every(r => r.status === 'SUCCEEDED'); }, 'all done').catch(()=>0);
  console.log(id, await house.transaction.query({ text: 'select status,attempt,result,errors from jobs' }));
});
it('fast', async () => {
  for (const n of [5000, 10000]) {
  const start = performance.now(); const before = seen.length;
  for (let i = 0; i < n; i += 1000) await house.queue.enqueueAll(Note, Array.from({ length: 1000 }, () => ({ text: 'x' })));
  const added = performance.now();
  await until(async () => (await house.transaction.query({ text: `select 1 from jobs where status <> 'SUCCEEDED' limit 1` })).length === 0, 'all', 60000);
  console.log(n, 'added/s', n / (added - start) * 1000, 'done/s', n / (performance.now() - start) * 1000, seen.length - before);
  }
}, 60000);
