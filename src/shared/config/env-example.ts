// Prints `.env.example` from the settings of all areas.
import { definedAreas } from './settings.js';
import type { Variable } from './variables.js';

const HEAD =
  '# Copy to .env and set what should differ. An empty value counts as absent; a commented one shows the default.\n';

/** Needs all modules to be imported. */
export function printEnvExample(): string {
  const sections = definedAreas().map(({ title, variables }) => `\n## ${title}\n\n${variables.map(print).join('')}`);
  return HEAD + sections.join('');
}

function print({ name, doc, standard }: Variable<unknown>): string {
  return `# ${doc}\n${standard === undefined ? `${name}=` : `#${name}=${standard}`}\n`;
}
