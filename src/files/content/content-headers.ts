// Response headers for the bytes of a file: always an attachment, never a page of this site.
import { normalize } from '../../shared/libs/text.js';

/** Types that a browser may see, because they cannot execute anything. All others become application/octet-stream. */
const INERT_TYPES = new Set([
  ...['application/pdf', 'application/json', 'text/csv', 'text/plain'],
  ...['image/avif', 'image/gif', 'image/jpeg', 'image/png', 'image/webp'],
]);

/** Data for the headers, apart from length and range. */
export interface ContentInfo {
  name: string;
  mimeType: string;
  /** Encoding of text; null when unknown. */
  charset: string | null;
  sha256: string;
  /** Anyone may download it, also without a login: caches may store it and must revalidate it each time. */
  isPublic: boolean;
}

export function contentTypeOf({ mimeType, charset }: Pick<ContentInfo, 'mimeType' | 'charset'>): string {
  if (!INERT_TYPES.has(mimeType)) return 'application/octet-stream';
  return mimeType.startsWith('text/') && charset !== null ? `${mimeType}; charset=${charset}` : mimeType;
}

/** Returns the headers. Every answer has `X-Content-Type-Options: nosniff` already. */
export function contentHeaders({ name, sha256, isPublic, ...type }: ContentInfo): Record<string, string> {
  return {
    'content-type': contentTypeOf(type),
    'content-disposition': attachment(name),
    'content-security-policy': "sandbox; default-src 'none'",
    'cache-control': isPublic ? 'public, no-cache' : 'private, no-store',
    'accept-ranges': 'bytes',
    etag: `"${sha256}"`,
  };
}

/** RFC 6266: an ASCII name without path characters for old clients, and the full name as in RFC 8187. */
export function attachment(name: string): string {
  const ascii = normalize(name, 'NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^ -~]|["%\\/]|^\.+$/gu, '_');
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
