// How the bytes of a file are answered: as an attachment, never as a page of ours.
import { normalize } from '../../shared/libs/text.js';

/** What a browser may be told of the bytes, since nothing in it can run; all else is application/octet-stream. */
const INERT_TYPES = new Map([
  ['application/pdf', 'application/pdf'],
  ['application/json', 'application/json'],
  ['image/avif', 'image/avif'],
  ['image/gif', 'image/gif'],
  ['image/jpeg', 'image/jpeg'],
  ['image/png', 'image/png'],
  ['image/webp', 'image/webp'],
  ['text/csv', 'text/csv; charset=utf-8'],
  ['text/plain', 'text/plain; charset=utf-8'],
]);

/** What is answered with the bytes, besides how many and which. */
export interface ContentInfo {
  name: string;
  mimeType: string;
  sha256: string;
  /** Anybody may have it: caches may keep it, and ask each time whether it is still so. */
  isPublic: boolean;
}

export function contentTypeOf(mimeType: string): string {
  return INERT_TYPES.get(mimeType) ?? 'application/octet-stream';
}

/** `X-Content-Type-Options: nosniff` is on every answer. */
export function contentHeaders({ name, mimeType, sha256, isPublic }: ContentInfo): Record<string, string> {
  return {
    'content-type': contentTypeOf(mimeType),
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
