// `users.statistics`: a thread counts all users that are not deleted, page by page; the result is the job's result.
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { ThreadPools, threadFile } from '../../workers/threads/thread-pools.js';
import { UsersBulkRepository } from '../users-bulk.repository.js';
import { CountUsers } from '../users.jobs.js';
import { runAsking } from '../../workers/threads/thread-questions.js';
import type { UserStatistics, UserTraits } from './user-count.js';

@Handles(CountUsers)
export class StatisticsHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly users: UsersBulkRepository,
    private readonly pools: ThreadPools,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const total = await this.users.count();
    const pages = this.users.pagesToCount();
    let seen = 0;
    const statistics = await runAsking<UserStatistics, 'next', UserTraits[] | null>(this.pools, {
      file: threadFile(import.meta.url, './statistics.thread'),
      task: {},
      signal: job.signal,
      answer: async () => {
        const page = await pages.next();
        if (page.done) return null;
        seen += page.value.length;
        job.progress((100 * seen) / Math.max(seen, total));
        return page.value;
      },
    });
    return { ...statistics };
  }
}
