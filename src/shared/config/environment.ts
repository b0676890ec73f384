// Validates the environment by the settings of all areas. The only reader of process.env.
import Joi from 'joi';
import { ConfigError } from './config-error.js';
import './process.settings.js'; // NODE_ENV, which the rules of many variables read, and TZ
import { definedAreas, type Environment } from './settings.js';

/**
 * Validates an environment (default: that of the process, after an optional `.env` file) by the settings that are declared by
 * now. Empty values count as absent, as in a copied `.env.example`. Throws ConfigError with every fault.
 */
export function readEnv(source: NodeJS.ProcessEnv = processEnv()): Environment {
  const areas = definedAreas();
  const variables = new Map(areas.flatMap((area) => area.variables.map((variable) => [variable.name, variable])));
  const fields = Joi.object(Object.fromEntries([...variables].map(([name, { schema }]) => [name, schema])));
  const schema = areas.flatMap(({ rules }) => rules).reduce((before, rule) => rule(before), fields);
  const given = Object.fromEntries(
    [...variables.keys()].flatMap((name) => (source[name] ? [[name, source[name]]] : [])),
  );
  const checked = schema.validate(given, { abortEarly: false, errors: { wrap: { label: false } } });
  if (checked.error)
    throw new ConfigError(checked.error.details.map((detail) => faultLine(detail, (name) => variables.get(name)?.doc)));
  const environment = checked.value as Environment;
  if (source === process.env) process.env['TZ'] = String(environment['TZ']); // Node applies it from here on
  return environment;
}

/** Builds our own message: Joi's would contain the value of a secret, ours names the variable and the rule. */
function faultLine(detail: Joi.ValidationErrorItem, docOf: (name: string) => string | undefined): string {
  const { peers = [] } = detail.context as { peers?: string[] };
  if (detail.type === 'object.missing')
    return `${peers.join(' or ')} is required in production (or set EMBEDDED=true to run on the embedded engines)`;
  if (detail.type === 'object.oxor') return `${peers.join(' and ')} exclude each other; set one of them`;
  if (detail.type === 'object.and') {
    const { present, missing } = detail.context as { present: string[]; missing: string[] };
    return `${[...present, ...missing].sort().join(' and ')} need each other; set both`;
  }
  const name = String(detail.path[0]);
  return `${detail.message.replaceAll('"', '')} (${docOf(name)})`;
}

function processEnv(): NodeJS.ProcessEnv {
  try {
    process.loadEnvFile('.env'); // never overrides variables that are set already
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return process.env;
}
