// Payloads, checked against their class: when they are enqueued, and again when they are run.
import { createValidationPipe } from '../common/http/pipes/validation.pipe.js';
import type { JobDefinition } from './job.js';

const pipe = createValidationPipe();

/** Throws VALIDATION_FAILED with the fields that were refused. */
export async function checkPayload<P extends object>(job: JobDefinition<P>, payload: unknown): Promise<P> {
  return (await pipe.transform(payload, { type: 'body', metatype: job.payload })) as P;
}
