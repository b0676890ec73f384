// The architecture rules as a pure function: returns the faults of the sources from their imports and identifiers.
import { posix } from 'node:path';
import ts from 'typescript';

/** The parts of a source file that the rules inspect; paths are relative to src/. */
export interface SourceFile {
  firstLine: string;
  imports: string[];
  /** Identifiers, member accesses like `process.env` and `.normalize`, and the emitted events, like `emit(TaskCreated)`. */
  words: ReadonlySet<string>;
  /** Words, prefixes and openings of comments that are not plain English. */
  unplain: readonly string[];
  /** Number of parameters of each class's constructor. */
  constructors: ReadonlyMap<string, number>;
}

/** Source files by path. */
export type Sources = ReadonlyMap<string, SourceFile>;

/**
 * From the lowest layer to the highest. An area imports from lower layers. A feature module is a folder that is not named here;
 * it imports from another one when its `x.module.ts` imports the other's.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['shared/libs'],
  ['shared/config', 'shared/entities', 'shared/lifecycle'],
  ['shared/logging'],
  ['shared/database', 'shared/redis', 'shared/security'],
  ['shared/pubsub', 'shared/locks', 'shared/rate-limits'],
  ['shared/events'],
  ['shared/cache'],
  ['shared'], // files directly in src/shared/
  ['common'],
  ['storage', 'workers'],
  ['requests'],
  ['feature modules'],
  ['audit', 'cache-admin', 'health', 'realtime'],
  ['entry points'], // files directly in src/
];

/** Identifiers that only some files may use, and the reason. */
const RESERVED: readonly { words: string[]; allowed: RegExp; why: string }[] = [
  {
    words: ['.normalize'],
    allowed: /^shared\/libs\/text\.ts$/,
    why: 'its running time is quadratic in runs of combining marks: use `normalize` of shared/libs/text.ts',
  },
  { words: ['forwardRef'], allowed: /^$/, why: 'a cycle in disguise: move what both need one layer down' },
  {
    words: ['process.env'],
    // embedded-postgres.place.ts passes PATH on to PostgreSQL.
    allowed: /^shared\/(config\/environment|database\/embedded-postgres\.place)\.ts$/,
    why: 'declare the setting with defineSettings and inject its area',
  },
  {
    words: ['emit(JobDone)'],
    allowed: /^$/,
    why: 'the statement that ends a job records its end',
  },
  {
    words: ['createQueryBuilder', 'getRepository', 'InjectRepository'],
    allowed: /\.repository\.ts$|^common\/repositories\/|^shared\/database\//,
    why: 'only repositories build queries',
  },
];

/** A class that needs more has more than one responsibility: split it. */
const MAX_CONSTRUCTOR_PARAMETERS = 7;

/** As far as a machine can see them; the style is in CONTRIBUTING.md. */
const UNPLAIN = [
  /\b(?:MOST|LONGEST|LEAST)_\w+/g, // MAX_ and MIN_
  /\b(?:house|manners|plumbing|cellar|nobody|somebody|whoever)\b/gi, // name the thing, or the process
  /(?<=\/\*\*\s*\*?\s*|^\/\/ )(?:What|Who|Whose|Whether)\b.*/gm, // say what it is, does or returns
];

/** Words that are not the field's term when they are part of an identifier; `DeadLetter` and `inFlight` are such terms. */
const UNPLAIN_PARTS = new Set([
  ...['bury', 'goodbye', 'gather', 'grip', 'hear', 'heard', 'inbox', 'inboxes', 'misfit', 'tell', 'told', 'untold'],
  ...['deaf', 'decoy', 'fly', 'flights', 'homeless', 'hung', 'lacking', 'mistrust', 'overtaken', 'patience', 'poke'],
  ...['door', 'life', 'nap', 'news', 'room', 'rooms', 'spare', 'standing', 'taking', 'twin', 'untaken', 'wish', 'yard'],
  ...['lane', 'lanes', 'ledger', 'piece', 'pieces', 'said', 'say'],
]);
const UNPLAIN_NAMES = /^(?:letter|flight|underWay|waitingLine)$/i;

/** True when a part of the name in camel case or capitals, or the whole name, is a word that we avoid. */
function isUnplainName(name: string): boolean {
  const parts = name.split(/(?<=[a-z0-9])(?=[A-Z])|_/);
  return UNPLAIN_NAMES.test(name.replace('_', '')) || parts.some((part) => UNPLAIN_PARTS.has(part.toLowerCase()));
}

export function readSource(path: string, text: string): SourceFile {
  const words = new Set<string>();
  const constructors = new Map<string, number>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) words.add(node.text);
    if (ts.isPropertyAccessExpression(node)) words.add(node.getText()).add(`.${node.name.text}`);
    if (ts.isCallExpression(node) && /\bemit$/.test(node.expression.getText()))
      words.add(`emit(${node.arguments[0]?.getText() ?? ''})`);
    if (ts.isConstructorDeclaration(node))
      constructors.set(node.parent.name?.text ?? 'A class without a name', node.parameters.length);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  const imports = ts
    .preProcessFile(text)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts'))
    .filter((name) => name !== '../package.json');
  const unplain = UNPLAIN.flatMap((pattern) => text.match(pattern) ?? []);
  unplain.push(...[...words].filter((word) => !word.includes('.') && isUnplainName(word)));
  return { firstLine: text.slice(0, text.indexOf('\n')), imports, words, unplain, constructors };
}

export function findFaults(sources: Sources): string[] {
  const files = [...sources];
  return [
    ...files.flatMap(([path, { imports }]) => imports.flatMap((target) => faultOfImport(sources, path, target) ?? [])),
    ...files.flatMap(([path, file]) => faultsOfText(sources, path, file)),
    ...files.flatMap(([path, { imports }]) => faultsOfRepository(path, imports)),
    ...findCycles(sources),
  ];
}

function areaOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  if (second === '') return 'entry points';
  if (first !== 'shared') return first;
  return second.includes('.') ? first : `shared/${second}`;
}

/** Returns -1 for a path in no layer. */
function layerOf(sources: Sources, path: string): number {
  const area = areaOf(path);
  const layer = LAYERS.findIndex((areas) => areas.includes(area));
  return layer === -1 && sources.has(moduleOf(area)) ? LAYERS.findIndex(([name]) => name === 'feature modules') : layer;
}

const moduleOf = (area: string): string => `${area}/${area}.module.ts`;

function faultOfImport(sources: Sources, path: string, target: string): string | undefined {
  const [layer, below] = [layerOf(sources, path), layerOf(sources, target)];
  if (below === -1 || target.startsWith('..')) return `${path} imports ${target}, which is not in src/`;
  const [from, to] = [areaOf(path), areaOf(target)];
  const isDeclared = sources.get(moduleOf(from))?.imports.includes(moduleOf(to)) ?? false;
  if (from === to || below < layer || (below === layer && isDeclared)) return undefined;
  const how = below > layer ? 'upwards' : 'across';
  return `${path} imports ${how}: ${target}`;
}

function faultsOfText(sources: Sources, path: string, file: SourceFile): string[] {
  const { firstLine, words, unplain, constructors } = file;
  const reserved = RESERVED.filter(({ allowed }) => !allowed.test(path)).flatMap((rule) =>
    rule.words.filter((word) => words.has(word)).map((word) => `${path} uses ${word}: ${rule.why}`),
  );
  const faults = [...reserved, ...unplain.map((word) => `${path} is not in plain English: ${word}`)];
  for (const [name, parameters] of constructors)
    if (parameters > MAX_CONSTRUCTOR_PARAMETERS)
      faults.push(`${path}: the constructor of ${name} has ${parameters} parameters: split the class`);
  if (layerOf(sources, path) === -1)
    faults.push(`${path} is in no layer: a feature module has a file ${moduleOf(areaOf(path))}`);
  if (posix.basename(path) === 'index.ts') faults.push(`${path} is a barrel: import from the declaring file`);
  if (!/^\/\/ \S/.test(firstLine)) faults.push(`${path} has no purpose in a comment on its first line`);
  return faults;
}

/** A repository returns rows; what a response shows of them is made above it. */
function faultsOfRepository(path: string, imports: readonly string[]): string[] {
  if (!path.endsWith('.repository.ts')) return [];
  return imports
    .filter((target) => /\/dto\/|^common\/http\/(?!http\.errors)/.test(target))
    .map((target) => `${path} imports ${target}: a repository knows neither HTTP nor DTOs`);
}

/** Searches depth first; a file that appears again on the current path closes a cycle. */
function findCycles(sources: Sources): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (path: string, way: string[]): void => {
    if (way.includes(path)) cycles.push(`cycle: ${[...way.slice(way.indexOf(path)), path].join(' → ')}`);
    if (done.has(path) || way.includes(path)) return;
    for (const target of sources.get(path)?.imports ?? []) walk(target, [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) walk(path, []);
  return cycles;
}
