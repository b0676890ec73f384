// Finds the remote database host that a connection would reach without encryption. Pure.
import { isIP } from 'node:net';

/** Returns null for an encrypted or local connection. URL parameters override settings, as in pg. */
export function unencryptedHost(url: string | undefined): string | null {
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
