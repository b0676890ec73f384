// The red twin of the broker's tortures: what RabbitMQ has confirmed is trusted to arrive, as it is usual; nobody looks again.
import { RabbitDriver } from '../../dist/src/workers/drivers/rabbitmq.driver.js';
import { JobOutbox } from '../../dist/src/workers/engine/job-outbox.js';

JobOutbox.prototype.findOverdue = async () => [];
RabbitDriver.prototype.found = () => undefined;
