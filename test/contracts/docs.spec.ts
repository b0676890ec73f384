// The documentation: links, commands and paths that it names exist, and README stays short.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const MAX_README_BYTES = 10_240;
/** Built-in commands of Yarn. */
const BUILT_IN = new Set(['install']);
const PATH = /^(?:src|test|docs|scripts|bench|migrations)\/[\w./-]*$/;

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
const files = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.split(sep).join('/')}`),
];

const read = (file: string): string => readFileSync(file, 'utf8');
const withoutBlocks = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '');

/** Returns the anchors of a file's headings, as GitHub generates them. */
function anchorsOf(file: string): Set<string> {
  const headings = [...withoutBlocks(read(file)).matchAll(/^#{1,6} (.+)$/gm)];
  return new Set(headings.map(([, title = '']) => slugOf(title)));
}

function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Returns the links whose file or heading does not exist. */
function brokenLinks(file: string): string[] {
  const links = [...withoutBlocks(read(file)).matchAll(/\]\(([^()\s]+)\)/g)].map(([, link = '']) => link);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? file : join(dirname(file), path);
    if (path.startsWith('/') || !existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(target).has(anchor);
  });
}

function unknownCommands(file: string): string[] {
  const named = [...read(file).matchAll(/\b(?:npm run|yarn) ([a-z][\w:-]*)/g)].map(([, name = '']) => name);
  return named.filter((name) => !(name in scripts) && !BUILT_IN.has(name));
}

/** Returns the paths in inline code, and the scripts of `node x.mjs` in inline code and blocks, that do not exist. */
function missingPaths(file: string): string[] {
  const text = read(file);
  const named = [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  const started = [...text.matchAll(/\bnode ([\w./-]+\.m?js)\b/g)].map(([, script = '']) => script);
  return [...named.filter((code) => PATH.test(code)), ...started].filter((path) => !existsSync(path));
}

it('README has at most 10 KB', () => {
  expect(Buffer.byteLength(read('README.md'))).toBeLessThanOrEqual(MAX_README_BYTES);
});

it('docs/README.md lists every file of docs/', () => {
  const index = read('docs/README.md');
  const listed = files.filter((file) => file.startsWith('docs/') && file !== 'docs/README.md');
  expect(listed.length).toBeGreaterThan(20);
  expect(listed.filter((file) => !index.includes(`](${file.slice('docs/'.length)})`))).toEqual([]);
});

describe.each(files)('%s', (file) => {
  it('has links to files and headings that exist', () => {
    expect(brokenLinks(file)).toEqual([]);
  });

  it('names commands that package.json has', () => {
    expect(unknownCommands(file)).toEqual([]);
  });

  it('names paths that exist', () => {
    expect(missingPaths(file)).toEqual([]);
  });
});
