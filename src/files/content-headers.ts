// How the bytes of a file are answered: as an attachment, never as a page of ours.
import type { FileEntity } from './file.entity.js';

/** What a browser may be told of the bytes, since nothing in it can run; all else is application/octet-stream. */
const INERT_TYPES = new Map([
  ['application/pdf', 'application/pdf'],
  ['application/json', 'application/json'],
  ['image/jpeg', 'image/jpeg'],
  ['image/png', 'image/png'],
  ['text/csv', 'text/csv; charset=utf-8'],
  ['text/plain', 'text/plain; charset=utf-8'],
]);

/** `X-Content-Type-Options: nosniff` is on every answer. */
export function contentHeaders(file: FileEntity): Record<string, string> {
  return {
    'content-type': INERT_TYPES.get(file.mimeType) ?? 'application/octet-stream',
    'content-length': String(file.size),
    'content-disposition': attachment(file.name),
    'content-security-policy': "sandbox; default-src 'none'",
    'cache-control': 'private, no-store',
    etag: `"${file.sha256}"`,
  };
}

/** RFC 6266: the name in ASCII for old clients, and the whole of it as RFC 8187 has it. */
export function attachment(name: string): string {
  const ascii = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^ -~]|["%\\]/gu, '_');
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
