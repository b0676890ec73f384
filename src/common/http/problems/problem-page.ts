// The HTML page of an error code: the same facts as the JSON, for people.
import type { ProblemTypeDto } from './problems.dto.js';

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replace(/[&<>"]/g, (char) => ESCAPES[char] ?? char);
/** Turns `text in backticks` into code. */
const prose = (text: string): string => escape(text).replace(/`([^`]+)`/g, '<code>$1</code>');

export function toProblemPage(problems: ProblemTypeDto[]): string {
  const entries = problems.map(
    ({ type, code, status, title, cure }) =>
      `<h2><a href="${escape(type)}">${escape(code)}</a></h2><p>${status} ${escape(title)}</p><p>${prose(cure)}</p>`,
  );
  const title = problems.length === 1 ? (problems[0]?.code ?? '') : 'Problems';
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title><h1>${escape(title)}</h1>${entries.join('')}</html>`;
}
