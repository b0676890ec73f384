// The red twin of the broker tortures: as is common, it trusts that a confirmed message arrives, and never re-announces a job.
import { RabbitDriver } from '../../dist/src/workers/drivers/rabbitmq.driver.js';
import { JobOutbox } from '../../dist/src/workers/engine/job-outbox.js';

JobOutbox.prototype.findOverdue = async () => [];
RabbitDriver.prototype.noteDueJobs = () => undefined;
