// Serves tus 1.0.0 (https://tus.io/protocols/resumable-upload): passes requests to @tus/server and converts its answers.
import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ERRORS, Server, TUS_RESUMABLE, TUS_VERSION } from '@tus/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { runUncancelled } from '../../shared/logging/request-context.js';
import { toRefusal } from './tus-refusals.js';
import { TusRequest } from './tus-request.js';
import { UploadLocks } from './upload-locks.js';
import { UPLOAD_EXTENSIONS, UploadStore } from './upload-store.js';
import { UploadErrors } from './uploads.errors.js';
import { type Upload, UploadsRepository } from './uploads.repository.js';
import { UploadsService } from './uploads.service.js';
import type { Owner } from '../../common/access/permissions.js';

/** Time that a request may continue while a newer one waits for its lock; a request that is about to end does so in it. */
const DRAIN_MS = 1_000;
/** Headers of tus that are copied to the answer. */
const TAKEN_OVER = /^(upload-|tus-|location$|cache-control$|connection$)/;

@Injectable()
export class TusService {
  constructor(
    private readonly service: UploadsService,
    private readonly uploads: UploadsRepository,
    private readonly locks: UploadLocks,
  ) {}

  /** Headers that describe the capabilities. */
  get capabilities(): Record<string, string> {
    return {
      'tus-resumable': TUS_RESUMABLE,
      'tus-version': TUS_VERSION.join(','),
      'tus-extension': UPLOAD_EXTENSIONS.join(','),
      'tus-max-size': String(this.service.maxBytes),
    };
  }

  /** `id`: of the upload; undefined to create one. Throws UploadErrors, and the errors of a refused file. */
  async answer(owner: Owner, request: FastifyRequest, reply: FastifyReply, id?: string): Promise<void> {
    void reply.header('tus-resumable', TUS_RESUMABLE);
    if (request.headers['tus-resumable'] !== TUS_RESUMABLE)
      throw UploadErrors.VERSION_UNSUPPORTED().withHeader('Tus-Version', TUS_VERSION.join(','));
    if (id !== undefined) await this.uploads.getOwned(owner, id); // first: only the owner may ask the lock's holder to stop
    const store = new UploadStore(this.service, owner, request.headers['upload-metadata']?.toString() ?? '');
    const tusRequest = new TusRequest(request, id !== undefined);
    try {
      // A disconnect must not cancel statements that have begun.
      const response = await runUncancelled(() => this.handle(tusRequest, store, pathOf(request), id));
      if (reply.sent) return; // the request was cancelled
      await reply
        .code(response.status)
        .headers(Object.fromEntries([...response.headers].filter(([name]) => TAKEN_OVER.test(name))))
        .headers(store.current ? headersAbout(store.current, tusRequest.web.method, pathOf(request)) : {})
        .send();
    } finally {
      tusRequest.end();
    }
  }

  /** Creates a server for this one request, because its store depends on the caller. Throws what the server refuses. */
  private async handle(request: TusRequest, store: UploadStore, path: string, id?: string): Promise<Response> {
    let thrown: unknown;
    const server = new Server({
      path,
      datastore: store,
      locker: store.lockedBy(this.locks),
      lockDrainTimeout: DRAIN_MS,
      namingFunction: () => randomUUID(),
      getFileIdFromRequest: () => id,
      generateUrl: (_request, made) => `${path}/${made.id}`,
      onResponseError: (_request, error) => void (thrown = error),
    });
    const response = await server.handleWeb(request.web);
    if (response.ok) return response;
    if (id === undefined && store.current) await this.service.remove(store.current.id); // the client does not know its URL
    throw toRefusal(thrown === ERRORS.ABORTED ? (request.failure ?? thrown) : thrown, await response.text());
  }
}

/** Headers that tus does not set, or not exactly. `path`: of the request. */
function headersAbout(upload: Upload, method: string, path: string): Record<string, string> {
  const { fileUuid, expiresAt, metadata } = upload;
  return {
    ...(method === 'HEAD' && metadata !== '' && { 'upload-metadata': metadata }),
    ...(fileUuid === null
      ? { 'upload-expires': expiresAt.toUTCString() }
      : { 'x-file-id': fileUuid, 'content-location': path.replace(/\/uploads.*$/, `/files/${fileUuid}`) }),
  };
}

/** Splits at the first question mark only: a query may contain more. */
function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0] as string;
}
