// How the bytes of a file are answered: as an attachment, never as a page of ours.
import { normalize } from '../../shared/libs/text.js';

/** What a browser may be told of the bytes, since nothing in it can run; all else is application/octet-stream. */
const INERT_TYPES = new Set([
  ...['application/pdf', 'application/json', 'text/csv', 'text/plain'],
  ...['image/avif', 'image/gif', 'image/jpeg', 'image/png', 'image/webp'],
]);

/** What is answered with the bytes, besides how many and which. */
export interface ContentInfo {
  name: string;
  mimeType: string;
  /** Of a text; null where it is not known. */
  charset: string | null;
  sha256: string;
  /** Anybody may have it: caches may keep it, and ask each time whether it is still so. */
  isPublic: boolean;
}

export function contentTypeOf({ mimeType, charset }: Pick<ContentInfo, 'mimeType' | 'charset'>): string {
  if (!INERT_TYPES.has(mimeType)) return 'application/octet-stream';
  return mimeType.startsWith('text/') && charset !== null ? `${mimeType}; charset=${charset}` : mimeType;
}

/** `X-Content-Type-Options: nosniff` is on every answer. */
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

/** RFC 6266: the name in ASCII for old clients, no path for them either, and the whole of it as RFC 8187 has it. */
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
