// The OpenAPI document as the server sends it: created once, with its ETag, and compressed once.
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { Injectable } from '@nestjs/common';

/** In order of size, the smallest first. */
export const ENCODINGS = ['br', 'gzip', 'identity'] as const;
type Encoding = (typeof ENCODINGS)[number];

interface Representation {
  body: Buffer;
  /** A strong ETag of these bytes, so each encoding has its own (RFC 9110, 8.8.3.3). */
  etag: string;
}

@Injectable()
export class ApiDocument {
  private create: (() => object) | undefined;
  private made: Promise<Record<Encoding, Representation>> | undefined;

  /** Sets the function that creates the document: only code above all features knows all routes. */
  createWith(create: () => object): void {
    this.create = create;
    this.made = undefined;
  }

  /** Returns the document in an encoding. The first caller waits until it is created. */
  async encodedAs(encoding: Encoding): Promise<Representation> {
    if (!this.create) throw new Error('ApiDocument.createWith() must be called before the OpenAPI document is read.');
    this.made ??= render(this.create());
    return (await this.made)[encoding];
  }
}

async function render(document: object): Promise<Record<Encoding, Representation>> {
  const identity = Buffer.from(JSON.stringify(document));
  const hash = createHash('sha256').update(identity).digest('base64url').slice(0, 22);
  const [br, zipped] = await Promise.all([promisify(brotliCompress)(identity), promisify(gzip)(identity)]);
  return {
    br: { body: br, etag: `"${hash}-br"` },
    gzip: { body: zipped, etag: `"${hash}-gzip"` },
    identity: { body: identity, etag: `"${hash}"` },
  };
}
