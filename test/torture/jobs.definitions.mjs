// The job that the tortures run: it waits, and leaves one line behind.
import 'reflect-metadata';
import { EnumField, IntField, TextField } from '../../dist/src/common/decorators/fields.decorator.js';
import { exponential } from '../../dist/src/shared/libs/backoff.js';
import { defineJob } from '../../dist/src/workers/job.js';

class EffectPayload {}
TextField({ max: 50 })(EffectPayload.prototype, 'key');
IntField({ min: 0, max: 60_000 })(EffectPayload.prototype, 'work');
EnumField({ values: ['usual', 'poison', 'failing'] })(EffectPayload.prototype, 'kind');

export const Effect = defineJob({
  name: 'torture.effect',
  queue: 'torture',
  payload: EffectPayload,
  attempts: Number(process.env.TORTURE_ATTEMPTS ?? 8),
  backoff: exponential(50, 500),
  timeoutMs: 60_000,
  concurrency: Number(process.env.TORTURE_CONCURRENCY ?? 20),
});
