// The job types of the torture runs: they wait, and write one effect row.
import 'reflect-metadata';
import { EnumField, IntField, TextField } from '../../dist/src/common/decorators/fields.decorator.js';
import { exponential } from '../../dist/src/shared/libs/backoff.js';
import { defineJob } from '../../dist/src/workers/job.js';

/** `deaf` ignores its signal, `failing` fails its first attempts, `poison` kills its worker. */
const KINDS = ['usual', 'deaf', 'failing', 'poison'];

class EffectPayload {}
TextField({ max: 50 })(EffectPayload.prototype, 'key');
IntField({ min: 0, max: 60_000 })(EffectPayload.prototype, 'work');
EnumField({ values: KINDS })(EffectPayload.prototype, 'kind');
IntField({ min: 0, max: 20, optional: true })(EffectPayload.prototype, 'fails');

const common = {
  queue: 'torture',
  payload: EffectPayload,
  attempts: 8,
  backoff: exponential(50, 500),
  timeoutMs: 60_000,
  concurrency: Number(process.env.TORTURE_CONCURRENCY ?? 20),
};
export const Effect = defineJob({ ...common, name: 'torture.effect' });
export const Unique = defineJob({ ...common, name: 'torture.unique', uniqueKey: ({ key }) => key });
/** After two deaths a job runs alone: the last of the three attempts shows whether it kills its worker. */
export const Brittle = defineJob({ ...common, name: 'torture.brittle', attempts: 3 });
