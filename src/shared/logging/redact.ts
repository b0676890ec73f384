// Removes text that looks like a secret from a log line before it is written.

const NAMES = 'password|currentPassword|newPassword|accessToken|refreshToken|token|ticket|secret|authorization|cookie';

/**
 * Each pattern matches a credential of ours anywhere: JWT, refresh token, anything with a MAC (links, cookies), password
 * hash, URL password, named value. Each pattern reads every character a limited number of times: it never fails after a long
 * run in which it could start again. For this reason the first part of a JWT is always read to its end, and stays in the
 * line when nothing follows it.
 */
const SECRETS: ReadonlyArray<readonly [RegExp, string | ((text: string, ...parts: string[]) => string)]> = [
  [/eyJ[\w-]{8,}(\.[\w-]{8,}\.[\w-]*)?/g, (text, rest: string | undefined) => (rest === undefined ? text : '[jwt]')],
  [/\brt\.[0-9a-f-]{36}\.\d+\.[\w-]+/g, '[refresh-token]'],
  [/\.[\w-]{43}(?![\w-])/g, '.[mac]'],
  [/\$(?:argon2(?:id|i|d)|2[aby])\$[\w$=,+/.-]+/g, '[password-hash]'],
  [/(\/\/[^/\s:@"]*:)[^\s"/]+@/g, '$1[password]@'],
  // A JSON member; a JSON member inside a text, where the closing quote has as many backslashes as the opening one; a
  // header line; a query parameter.
  [RegExp(`("(?:${NAMES})"\\s*:\\s*")[^"\\\\]*(?:\\\\.[^"\\\\]*)*`, 'gi'), '$1[redacted]'],
  [RegExp(`(\\b(?:${NAMES})(\\\\+)"\\s*:\\s*\\2")(?:.*?(?<!\\\\)(?=\\2")|.*)`, 'gi'), '$1[redacted]'],
  [/(\b(?:authorization|cookie)\s*:\s*)[^"\\\r\n]+/gi, '$1[redacted]'],
  [RegExp(`(\\b(?:${NAMES})(?:\\\\*")?\\s*[:=]\\s*)[^"\\\\&\\s,}]+`, 'gi'), '$1[redacted]'],
];

/** Works on the finished line, so that neither field names nor nesting can hide a secret. */
export function redactSecrets(line: string): string {
  return SECRETS.reduce((text, [pattern, instead]) => text.replace(pattern, instead as string), line);
}
