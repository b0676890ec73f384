// Warnings about settings that are allowed but dangerous; the server logs each once at its start.
import { isIP } from 'node:net';
import type { AppConfig } from './app-config.js';

/** Returns one line for each dangerous setting, with the cure. */
export function warningsOf(config: AppConfig): string[] {
  const warnings: string[] = [];
  if (config.rateLimits.mode === 'off')
    warnings.push(
      'RATE_LIMIT_MODE=off: nothing limits requests, not even guesses at passwords. Set RATE_LIMIT_MODE=enforce, or dry-run to only log.',
    );
  const host = config.database.ssl === 'off' ? unencryptedHost(config.database.url) : null;
  if (host !== null)
    warnings.push(
      `DATABASE_SSL=off: passwords and data go to ${host} unencrypted. Set DATABASE_SSL=verify, or require where the certificate cannot be checked.`,
    );
  return warnings;
}

/** Returns the remote host that the URL reaches without encryption, or null. URL parameters override settings, as in pg. */
function unencryptedHost(url: string | undefined): string | null {
  if (url === undefined) return null;
  const { hostname, searchParams } = new URL(url);
  const isEncrypted =
    ['true', '1'].includes(searchParams.get('ssl') ?? '') || (searchParams.get('sslmode') ?? 'disable') !== 'disable';
  const host = searchParams.get('host') ?? decodeURIComponent(hostname).replace(/^\[|\]$/g, '');
  return isEncrypted || isThisMachine(host) ? null : host;
}

/** True for a socket in the file system and for a loopback address. */
function isThisMachine(host: string): boolean {
  if (['', 'localhost', '::1'].includes(host) || host.startsWith('/')) return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
