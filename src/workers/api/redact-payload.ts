// Redacts secrets in a job's payload for administrators.
import { redactSecrets } from '../../shared/logging/redact.js';

const SECRET_NAME =
  /pass(word|phrase|code|wd)|pwd|secret|token|authorization|cookie|credential|(api|private|access|signing|encryption)[-_ ]?key|(^|[-_ ])(pin|otp|cvv|cvc)$/i;
const HIDDEN = '[redacted]';

/**
 * Redacts the payload member by member. The redaction of logs works on JSON text: it would leave parts of numbers and
 * objects under a secret's name, and the rest would be invalid JSON.
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
