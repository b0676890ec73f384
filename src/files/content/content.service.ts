// Answers downloads: the whole file, one range or several, or 304; streams as fast as the client reads.
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { expectTag, includesTag } from '../../common/http/hooks/representation.hooks.js';
import { StorageSettings } from '../../storage/storage.settings.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { type BlobAddress, BlobStore, isDamage } from '../../storage/blobs/blob-store.js';
import { BlobsRepository } from '../../storage/blobs/blobs.repository.js';
import { FileErrors } from '../files.errors.js';
import type { ByteRange } from '../../storage/file-storage.js';
import { parseRanges } from './byte-ranges.js';
import type { AppError } from '../../shared/libs/app-error.js';
import { ThumbnailsRepository } from '../thumbnails/thumbnails.repository.js';
import { contentHeaders, type ContentInfo, contentTypeOf } from './content-headers.js';
import { multipartRanges } from './multipart-ranges.js';

/** The content to answer, with its headers. */
export interface Content extends ContentInfo {
  /** Public UUID of the file. */
  id: string;
  blob: BlobAddress;
  /** Returns the error to answer when the bytes cannot be read. `isNeeded`: the bytes should exist. */
  whenLost: (isNeeded: boolean) => AppError;
}

/** Lifetime of a URL that S3 has signed. */
const REDIRECT_SECONDS = 60;
/** Empty body of an answer to HEAD. Without any body, Fastify would set the length to 0. */
const NOTHING = (): Readable => Readable.from([]);

@Injectable()
export class ContentService {
  constructor(
    private readonly bytes: BlobStore,
    private readonly blobs: BlobsRepository,
    private readonly thumbnails: ThumbnailsRepository,
    private readonly settings: StorageSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Sends the answer to a GET or a HEAD. Throws VERSION_STALE, RANGE_NOT_SATISFIABLE, DAMAGED. */
  async answer(reply: FastifyReply, content: Content): Promise<void> {
    const { method, headers } = reply.request;
    const { size } = content.blob;
    const isHead = method === 'HEAD';
    const described = contentHeaders(content);
    const etag = `"${content.sha256}"`;
    expectTag(headers['if-match'], etag);
    const known = headers['if-none-match'];
    if (known !== undefined && includesTag(known, etag))
      return void reply
        .code(304)
        .headers(described)
        .removeHeader('content-type')
        .send(isHead ? NOTHING() : undefined);
    if (isHead) return void reply.headers(described).header('content-length', size).send(NOTHING());
    const elsewhere = this.settings.s3?.redirect ? await this.linkTo(content) : null;
    if (elsewhere !== null) return void reply.header('cache-control', 'no-store').redirect(elsewhere, 302);
    const ifRange = headers['if-range'];
    const isCurrent = ifRange === undefined || String(ifRange).trim() === etag;
    const ranges = isCurrent && headers.range !== undefined ? parseRanges(headers.range, size) : null;
    if (ranges === null) return this.send(reply, described, await this.open(content), size);
    const [range, ...more] = ranges;
    if (!range) throw FileErrors.RANGE_NOT_SATISFIABLE(size).withHeader('content-range', `bytes */${size}`);
    if (more.length > 0) {
      const of = { size, contentType: contentTypeOf(content) };
      const parts = multipartRanges(ranges, of, (one) => this.open(content, one));
      return this.send(
        reply.code(206),
        { ...described, 'content-type': parts.contentType },
        parts.stream,
        parts.length,
      );
    }
    const contentRange = `bytes ${range.start}-${range.end}/${size}`;
    const stream = await this.open(content, range);
    this.send(reply.code(206), { ...described, 'content-range': contentRange }, stream, range.end - range.start + 1);
  }

  /** Closes the stream when the client disconnects. A stream error cuts the connection, because the length was promised. */
  private send(reply: FastifyReply, headers: Record<string, string>, stream: Readable, length: number): void {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_STREAM_PREMATURE_CLOSE' || error.name === 'AbortError') return;
      this.logger.error({ err: error }, 'Failed to read a file to its end');
    });
    if (reply.sent) return void stream.destroy(); // too late: the request's deadline has answered
    void reply.headers(headers).header('content-length', length).send(stream);
  }

  /** Waits for the first bytes, because an error before them can still be answered. */
  private async open({ id, blob, whenLost }: Content, range?: ByteRange): Promise<Readable> {
    try {
      const stream = await this.bytes.open(blob, range);
      stream.once('error', (error) => void this.noteDamage(blob, error));
      if (stream.readableLength === 0 && !stream.readableEnded) await once(stream, 'readable');
      return stream;
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (!(await this.blobs.isNeeded(blob.storageKey))) throw whenLost(false); // deleted since it was read
      this.logger.error({ err: error, file: id }, 'The bytes of a file are lost or damaged');
      await this.noteDamage(blob, error);
      throw whenLost(true);
    }
  }

  /** Marks bytes as damaged, so that an upload of the same content repairs them; drops a thumbnail, so it is made again. */
  private async noteDamage({ storageKey }: BlobAddress, error: unknown): Promise<void> {
    if (!isDamage(error)) return;
    const noted = [this.blobs.noteDamaged(storageKey), this.thumbnails.drop([storageKey])];
    await Promise.all(noted).catch(() => undefined); // the damage is logged already
  }

  private linkTo(content: Content): Promise<string | null> {
    const headers = contentHeaders(content);
    return this.bytes.linkTo(content.blob, {
      contentType: contentTypeOf(content),
      disposition: headers['content-disposition'] ?? 'attachment',
      expiresInSeconds: REDIRECT_SECONDS,
    });
  }
}
