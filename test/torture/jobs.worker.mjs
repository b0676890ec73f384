// A worker process of the job tortures: reports its name when it works; the torture may kill it at any moment.
// Environment: DATABASE_URL, RABBITMQ_URL, …; TORTURE_UNPROTECTED=1 writes the effect outside of the completing transaction.
import { QueueDriver } from '../../dist/src/workers/drivers/queue.driver.js';
import { JobRunner } from '../../dist/src/workers/engine/job-runner.js';
import { openApplication } from './jobs.application.mjs';

process.once('disconnect', () => process.exit()); // the parent process has ended
const context = await openApplication(process.env, (line) => process.stdout.write(line));
const driver = context.get(QueueDriver);
await driver.listen(() => process.send?.({ worker: context.get(JobRunner).worker }));
process.once(
  'SIGTERM',
  () =>
    void driver
      .close()
      .then(() => context.close())
      .finally(() => process.exit(0)),
);
