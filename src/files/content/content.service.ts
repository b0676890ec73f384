// Bytes over HTTP: the whole, a part or several, or that nothing has changed; streamed as fast as the client reads.
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { includesTag } from '../../common/hooks/representation.hooks.js';
import { AppConfig } from '../../shared/config/app-config.js';
import { LOGGER, type Logger } from '../../shared/services/logging/logger.js';
import { type BlobAddress, BlobStore, isDamage } from '../blobs/blob-store.js';
import { BlobsRepository } from '../blobs/blobs.repository.js';
import { FileErrors } from '../files.errors.js';
import type { ByteRange } from '../storage/file-storage.js';
import { parseRanges } from './byte-ranges.js';
import { contentHeaders, type ContentInfo, contentTypeOf } from './content-headers.js';
import { multipartRanges } from './multipart-ranges.js';

/** What is answered, and as what. */
export interface Content extends ContentInfo {
  /** Public UUID of the file. */
  id: string;
  blob: BlobAddress;
}

/** Of a URL that S3 has signed. */
const REDIRECT_SECONDS = 60;

@Injectable()
export class ContentService {
  constructor(
    private readonly bytes: BlobStore,
    private readonly blobs: BlobsRepository,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Sends the answer to a GET or a HEAD. Throws RANGE_NOT_SATISFIABLE, DAMAGED. */
  async answer(reply: FastifyReply, content: Content): Promise<void> {
    const { method, headers } = reply.request;
    const { size } = content.blob;
    void reply.headers(contentHeaders(content));
    const etag = `"${content.sha256}"`;
    const known = headers['if-none-match'];
    if (known !== undefined && includesTag(known, etag))
      return void reply.code(304).removeHeader('content-type').send();
    if (method === 'HEAD') return void reply.header('content-length', size).send(Readable.from([])); // of nothing at all Fastify counts the bytes
    const elsewhere = this.config.files.s3?.redirect ? await this.linkTo(content) : null;
    if (elsewhere !== null) return void reply.header('cache-control', 'no-store').redirect(elsewhere, 302);
    const ifRange = headers['if-range'];
    const isCurrent = ifRange === undefined || String(ifRange).trim() === etag;
    const ranges = isCurrent && headers.range !== undefined ? parseRanges(headers.range, size) : null;
    if (ranges === null) return this.send(reply, await this.open(content), size);
    const [range, ...more] = ranges;
    if (!range) throw FileErrors.RANGE_NOT_SATISFIABLE(size).withHeader('content-range', `bytes */${size}`);
    void reply.code(206);
    if (more.length > 0) return this.sendParts(reply, content, ranges);
    void reply.header('content-range', `bytes ${range.start}-${range.end}/${size}`);
    this.send(reply, await this.open(content, range), range.end - range.start + 1);
  }

  private sendParts(reply: FastifyReply, content: Content, ranges: readonly ByteRange[]): void {
    const of = { size: content.blob.size, contentType: contentTypeOf(content.mimeType) };
    const parts = multipartRanges(ranges, of, (range) => this.open(content, range));
    void reply.header('content-type', parts.contentType);
    this.send(reply, parts.stream, parts.length);
  }

  /** Who hangs up closes the stream; a stream that fails cuts the connection, since its length was promised. */
  private send(reply: FastifyReply, stream: Readable, length: number): void {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_STREAM_PREMATURE_CLOSE' || error.name === 'AbortError') return;
      this.logger.error({ err: error }, 'A file could not be read to its end');
    });
    if (reply.sent) return void stream.destroy(); // too late: the deadline has answered
    void reply.header('content-length', length).send(stream);
  }

  /** With its first bytes: what fails before them can still be answered. */
  private async open({ id, blob }: Content, range?: ByteRange): Promise<Readable> {
    try {
      const stream = await this.bytes.open(blob, range);
      stream.once('error', (error) => void this.noteDamage(blob, error));
      if (stream.readableLength === 0 && !stream.readableEnded) await once(stream, 'readable');
      return stream;
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (!(await this.blobs.isNeeded(blob.storageKey))) throw FileErrors.NOT_FOUND(id); // deleted since it was read
      this.logger.error({ err: error, file: id }, 'The bytes of a file are lost or damaged');
      await this.noteDamage(blob, error);
      throw FileErrors.DAMAGED(id);
    }
  }

  /** So that the same content, uploaded again, mends it. */
  private async noteDamage({ storageKey }: BlobAddress, error: unknown): Promise<void> {
    if (isDamage(error)) await this.blobs.noteDamaged(storageKey).catch(() => undefined); // it is told in the log
  }

  private linkTo({ blob, mimeType, name, sha256, isPublic }: Content): Promise<string | null> {
    const headers = contentHeaders({ name, mimeType, sha256, isPublic });
    return this.bytes.linkTo(blob, {
      contentType: contentTypeOf(mimeType),
      disposition: headers['content-disposition'] ?? 'attachment',
      expiresInSeconds: REDIRECT_SECONDS,
    });
  }
}
