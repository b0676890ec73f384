// The last look at a log line before it is written: what looks like a secret does not get out.

const NAMES = 'password|currentPassword|newPassword|accessToken|refreshToken|token|secret|authorization|cookie';

/**
 * Each pattern is a credential of ours, wherever it stands: JWT, refresh token, anything with a MAC (links, cookies),
 * password hash, URL password, named value. A pattern reads each character a bounded number of times: it never fails
 * after a long run in which it could start again. So a JWT's first part is read to its end in any case, and kept when
 * nothing follows.
 */
const SECRETS: ReadonlyArray<readonly [RegExp, string | ((text: string, ...parts: string[]) => string)]> = [
  [/eyJ[\w-]{8,}(\.[\w-]{8,}\.[\w-]*)?/g, (text, rest: string | undefined) => (rest === undefined ? text : '[jwt]')],
  [/\brt\.[0-9a-f-]{36}\.\d+\.[\w-]+/g, '[refresh-token]'],
  [/\.[\w-]{43}(?![\w-])/g, '.[mac]'],
  [/\$(?:argon2(?:id|i|d)|2[aby])\$[\w$=,+/.-]+/g, '[password-hash]'],
  [/(\/\/[^/\s:@"]*:)[^\s"/]+@/g, '$1[password]@'],
  // A JSON member; the same inside of a text, where the closing quote has as many backslashes as the opening one;
  // a header line; a member of a query.
  [RegExp(`("(?:${NAMES})"\\s*:\\s*")[^"\\\\]*(?:\\\\.[^"\\\\]*)*`, 'gi'), '$1[redacted]'],
  [RegExp(`(\\b(?:${NAMES})(\\\\+)"\\s*:\\s*\\2")(?:.*?(?<!\\\\)(?=\\2")|.*)`, 'gi'), '$1[redacted]'],
  [/(\b(?:authorization|cookie)\s*:\s*)[^"\\\r\n]+/gi, '$1[redacted]'],
  [RegExp(`(\\b(?:${NAMES})(?:\\\\*")?\\s*[:=]\\s*)[^"\\\\&\\s,}]+`, 'gi'), '$1[redacted]'],
];

/** Works on the finished text, so that no field name and no nesting can hide a secret from it. */
export function redactSecrets(line: string): string {
  return SECRETS.reduce((text, [pattern, instead]) => text.replace(pattern, instead as string), line);
}
