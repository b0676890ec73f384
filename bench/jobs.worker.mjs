// The working process of bench/jobs.mjs: reports when it is ready, and when all jobs are done.
import { open } from './jobs.queues.mjs';

const { total, warm, ...place } = JSON.parse(process.argv[2]);
const now = () => Number(process.hrtime.bigint() / 1000n) / 1000;
const delays = new Float64Array(total);
let count = -warm;
const queue = await open(place);
await queue.work((stamp) => {
  if (++count === 0) process.send('warm');
  if (count <= 0) return;
  delays[count - 1] = now() - stamp;
  if (count === total) process.send({ at: now(), delays: [...delays.sort()] });
});
process.send('ready');
