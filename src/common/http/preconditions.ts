// Reads If-Match and If-None-Match as the versions that a change may start from (RFC 9110, 13.1.1, 13.1.2).
import type { ExpectedVersions } from '../repositories/expected-versions.js';
import { HttpErrors } from './http.errors.js';

const TAG = /^(W\/)?"([\x21\x23-\x7e]*)"$/;

/** Weak tags never match If-Match but count for If-None-Match. Throws BAD_REQUEST when a header is no list of entity tags. */
export function parsePreconditions(ifMatch: string | undefined, ifNoneMatch: string | undefined): ExpectedVersions {
  const required = ifMatch === undefined || ifMatch.trim() === '*' ? null : versionsOf('If-Match', ifMatch, false);
  if (ifNoneMatch === undefined) return required && { versions: required, isRequired: true };
  if (ifNoneMatch.trim() === '*') return { versions: [], isRequired: true };
  const refused = versionsOf('If-None-Match', ifNoneMatch, true);
  if (required === null) return { versions: refused, isRequired: false };
  return { versions: required.filter((version) => !refused.includes(version)), isRequired: true };
}

function versionsOf(name: string, header: string, weakToo: boolean): number[] {
  return header.split(',').flatMap((part) => {
    const tag = TAG.exec(part.trim());
    if (!tag)
      throw HttpErrors.BAD_REQUEST(`${name} must be an entity tag in double quotes, like "3", a list of them, or *.`);
    const isComparable = tag[1] === undefined || weakToo;
    return isComparable && /^[1-9]\d{0,8}$/.test(tag[2] as string) ? [Number(tag[2])] : [];
  });
}
