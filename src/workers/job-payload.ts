// Validates a job's payload against its class, on enqueue and again before each attempt.
import { createValidationPipe } from '../common/http/pipes/validation.pipe.js';
import type { JobDefinition } from './job.js';

const pipe = createValidationPipe();

/** Returns the validated payload. Throws VALIDATION_FAILED with the rejected fields. */
export async function checkPayload<P extends object>(job: JobDefinition<P>, payload: unknown): Promise<P> {
  return (await pipe.transform(payload, { type: 'body', metatype: job.payload })) as P;
}
