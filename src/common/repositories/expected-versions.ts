// The versions that a change may start from.
import { HttpErrors } from '../http/http.errors.js';

/** Null: any version. */
export type ExpectedVersions = VersionList | null;

/** `isRequired` false: any version except these. A required empty list matches no version. */
export interface VersionList {
  readonly versions: readonly number[];
  readonly isRequired: boolean;
}

/** Throws VERSION_STALE when the version is not an expected one. */
export function expectVersion(expected: ExpectedVersions, version: number): void {
  if (expected && expected.versions.includes(version) !== expected.isRequired)
    throw HttpErrors.VERSION_STALE(expected.isRequired ? expected.versions : []);
}
