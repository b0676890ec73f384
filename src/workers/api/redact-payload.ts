// A job's payload as an administrator may see it: what looks like a secret stays inside.
import { redactSecrets } from '../../shared/logging/redact.js';

const SECRET_NAME =
  /pass(word|phrase|code|wd)|pwd|secret|token|authorization|cookie|credential|(api|private|access|signing|encryption)[-_ ]?key|(^|[-_ ])(pin|otp|cvv|cvc)$/i;
const HIDDEN = '[redacted]';

/**
 * Member by member instead of on the JSON text: there the redaction of logs would leave numbers and objects under a
 * secret's name half behind, and what is left could not be parsed any more.
 */
export function redactPayload<T>(payload: T): T {
  return redact(payload) as T;
}

function redact(value: unknown): unknown {
  if (typeof value === 'string') return redactSecrets(value);
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      redactSecrets(name),
      SECRET_NAME.test(name) && member !== null ? HIDDEN : redact(member),
    ]),
  );
}
