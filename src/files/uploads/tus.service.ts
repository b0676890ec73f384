// The protocol, tus 1.0.0 (https://tus.io/protocols/resumable-upload): requests go to @tus/server, its answers become ours.
import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ERRORS, Server, TUS_RESUMABLE, TUS_VERSION } from '@tus/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requestContext } from '../../shared/logging/request-context.js';
import { toRefusal } from './tus-refusals.js';
import { TusRequest } from './tus-request.js';
import { UploadLocks } from './upload-locks.js';
import { UPLOAD_EXTENSIONS, UploadStore } from './upload-store.js';
import { UploadErrors } from './uploads.errors.js';
import { type Upload, UploadsRepository } from './uploads.repository.js';
import { UploadsService } from './uploads.service.js';
import type { Owner } from '../../common/access/permissions.js';

/** How long a request may go on once a newer one waits for it: one that is about to end does so by itself. */
const DRAIN_MS = 1_000;
/** Of an answer of tus, what ours takes over. */
const TAKEN_OVER = /^(upload-|tus-|location$|cache-control$|connection$)/;

@Injectable()
export class TusService {
  constructor(
    private readonly service: UploadsService,
    private readonly uploads: UploadsRepository,
    private readonly locks: UploadLocks,
  ) {}

  /** Of what clients may ask for. */
  get capabilities(): Record<string, string> {
    return {
      'tus-resumable': TUS_RESUMABLE,
      'tus-version': TUS_VERSION.join(','),
      'tus-extension': UPLOAD_EXTENSIONS.join(','),
      'tus-max-size': String(this.service.maxBytes),
    };
  }

  /** `id`: of the upload; undefined for one to be made. Throws UploadErrors, and what a file may be refused for. */
  async answer(owner: Owner, request: FastifyRequest, reply: FastifyReply, id?: string): Promise<void> {
    void reply.header('tus-resumable', TUS_RESUMABLE);
    if (request.headers['tus-resumable'] !== TUS_RESUMABLE)
      throw UploadErrors.VERSION_UNSUPPORTED().withHeader('Tus-Version', TUS_VERSION.join(','));
    if (id !== undefined) await this.uploads.getOwned(owner, id); // before the lock: a stranger must not ask its holder to end
    const store = new UploadStore(this.service, owner, request.headers['upload-metadata']?.toString() ?? '');
    const tusRequest = new TusRequest(request, id !== undefined);
    try {
      // What has begun comes to its end even when the client hangs up: so no cancel may reach its statements.
      const response = await requestContext.exit(() => this.handle(tusRequest, store, pathOf(request), id));
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

  /** A server for this one request, whose caller its store knows. Throws what it refuses. */
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
    if (id === undefined && store.current) await this.service.remove(store.current.id); // nobody knows its address
    throw toRefusal(thrown === ERRORS.ABORTED ? (request.failure ?? thrown) : thrown, await response.text());
  }
}

/** What tus does not know, or not exactly. `path`: of the request. */
function headersAbout(upload: Upload, method: string, path: string): Record<string, string> {
  const { fileUuid, expiresAt, metadata } = upload;
  return {
    ...(method === 'HEAD' && metadata !== '' && { 'upload-metadata': metadata }),
    ...(fileUuid === null
      ? { 'upload-expires': expiresAt.toUTCString() }
      : { 'x-file-id': fileUuid, 'content-location': path.replace(/\/uploads.*$/, `/files/${fileUuid}`) }),
  };
}

/** A query may hold further question marks. */
function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0] as string;
}
