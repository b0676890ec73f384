// Settings that are allowed and dangerous: the server warns of each once, at its start.
import { isIP } from 'node:net';
import type { AppConfig } from './app-config.js';

/** One line for each, with the cure. */
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

/** The other machine that the URL leads to without encryption; null: there is none. Parameters of the URL override settings, as in pg. */
function unencryptedHost(url: string | undefined): string | null {
  if (url === undefined) return null;
  const { hostname, searchParams } = new URL(url);
  const isEncrypted =
    ['true', '1'].includes(searchParams.get('ssl') ?? '') || (searchParams.get('sslmode') ?? 'disable') !== 'disable';
  const host = searchParams.get('host') ?? decodeURIComponent(hostname).replace(/^\[|\]$/g, '');
  return isEncrypted || isThisMachine(host) ? null : host;
}

/** A socket in the file system, or a loopback address. */
function isThisMachine(host: string): boolean {
  if (['', 'localhost', '::1'].includes(host) || host.startsWith('/')) return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
