// The red twin of the poison torture: as is common, a worker death counts against all its jobs, and no job is retried alone.
import { JobQueueRepository } from '../../dist/src/workers/engine/job-queue.repository.js';

JobQueueRepository.prototype.reap = function reap(code) {
  return this.transaction.query({
    name: 'reap-blaming',
    text: `UPDATE jobs SET
        status = (CASE WHEN attempt < max_attempts THEN 'RETRYING' ELSE 'FAILED' END)::job_status,
        run_at = now(), announce_at = CASE WHEN $2::boolean THEN now() END, lease_until = NULL, version = version + 1,
        finished_at = CASE WHEN attempt >= max_attempts THEN now() END,
        reason = CASE WHEN attempt >= max_attempts THEN $1 END
      WHERE status = 'RUNNING' AND lease_until < now()
      RETURNING id, uuid, queue, type, status, attempt, owner_uuid, request_id`,
    values: [code, this.driver.announces],
  });
};
