// Settings of the embedded engines, and the rule that production names external ones instead.
import { resolve } from 'node:path';
import Joi from 'joi';
import { defineSettings, type Rule } from './settings.js';
import { flag, text } from './variables.js';

const isAllowed = flag('EMBEDDED', {
  default: false,
  doc: 'Allows production to run on the embedded engines; it never falls back to them silently',
});

export const EmbeddedSettings = defineSettings(
  'Embedded engines',
  {
    isAllowed,
    dataDir: text('DATA_DIR', {
      default: '.data',
      doc: "Folder of the embedded engines' data and the development secrets",
    }),
  },
  { derive: (values) => ({ ...values, dataDir: resolve(values.dataDir) }) },
);
export type EmbeddedSettings = InstanceType<typeof EmbeddedSettings>;

/** Production needs one of the variables, unless it may run on the embedded engines. */
export function externalInProduction(...names: string[]): Rule {
  const strict = Joi.object({
    NODE_ENV: Joi.valid('production').required(),
    EMBEDDED: (isAllowed.schema as Joi.BooleanSchema).valid(false),
  });
  return (schema) => schema.when(strict.unknown(), { then: Joi.object().or(...names) });
}
