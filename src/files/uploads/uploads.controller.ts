// REST endpoints of resumable uploads by tus 1.0.0, for any tus client. The state of an upload is in headers.
import { Controller, Delete, Get, Head, Options, Patch, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser } from '../../common/decorators/current-user.decorator.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { Id, QueryParams } from '../../common/decorators/input.decorator.js';
import type { Actor } from '../../common/access/permissions.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import { BucketErrors } from '../../storage/buckets/buckets.errors.js';
import { FileErrors } from '../files.errors.js';
import { ListUploadsQuery, UploadPage } from './dto/upload.dto.js';
import { TusEndpoint } from './tus-endpoint.decorator.js';
import { TusService } from './tus.service.js';
import { UploadErrors } from './uploads.errors.js';
import { UploadsService } from './uploads.service.js';
import { QuotaErrors, StorageErrors } from '../../storage/storage.errors.js';

const ABSENT = [UploadErrors.NOT_FOUND, UploadErrors.EXPIRED, UploadErrors.VERSION_UNSUPPORTED, UploadErrors.LOCKED];
/** Errors after the last byte; the type is refused as soon as the first bytes show it. */
const REFUSED = [
  HttpErrors.TOO_MANY_UPLOADS,
  ...[FileErrors.TOO_LARGE, FileErrors.TYPE_NOT_ALLOWED, StorageErrors.WRITE_LOST],
  ...[QuotaErrors.QUOTA_EXCEEDED, StorageErrors.STORAGE_FULL, UploadErrors.DAMAGED],
];
/** Headers of the progress. */
const PROGRESS = [
  ...(['Upload-Offset', 'Upload-Length', 'Upload-Metadata', 'Upload-Expires', 'X-File-Id'] as const),
  'Content-Location' as const,
];

@ApiTags('Uploads')
@Controller('uploads')
export class UploadsController {
  constructor(
    private readonly tus: TusService,
    private readonly uploads: UploadsService,
  ) {}

  @Options()
  @TusEndpoint({ status: 204, answers: ['Tus-Version', 'Tus-Extension', 'Tus-Max-Size'], isDiscovery: true })
  @Endpoint({ summary: 'What of tus there is', public: true })
  describe(@Res() reply: FastifyReply): void {
    void reply.headers(this.tus.capabilities).send();
  }

  @Get()
  @Endpoint({
    summary: "List the caller's open uploads",
    description: 'Those that are neither complete nor expired: each goes on at its `url`, by tus, from its `offset`.',
    returns: UploadPage,
    paged: true,
  })
  list(@CurrentUser() actor: Actor, @QueryParams() query: ListUploadsQuery): Promise<UploadPage> {
    return this.uploads.list(actor, query);
  }

  @Post()
  @TusEndpoint({
    takes: ['Upload-Length', 'Upload-Metadata'],
    body: 'optional',
    status: 201,
    answers: ['Location', 'Upload-Offset', 'Upload-Expires', 'X-File-Id', 'Content-Location'],
  })
  @Endpoint({
    summary: 'Begin a resumable upload',
    description:
      'By tus 1.0.0 (https://tus.io); any of its clients does what follows. The whole length is reserved at once, until ' +
      '`Upload-Expires`. With a body the first bytes come along.',
    status: 201,
    errors: [
      ...[UploadErrors.LENGTH_REQUIRED, UploadErrors.EXTENSION_UNSUPPORTED, UploadErrors.VERSION_UNSUPPORTED],
      ...[BucketErrors.NOT_FOUND, ...REFUSED, UploadErrors.TOO_LONG],
    ],
  })
  create(@CurrentUser() actor: Actor, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.tus.answer(actor, request, reply);
  }

  @Head(':id')
  @TusEndpoint({
    status: 200,
    answers: PROGRESS,
  })
  @Endpoint({
    summary: 'How far an upload has come',
    description: 'A request that is still at work on it is asked to end first.',
    status: 200,
    errors: [...ABSENT, ...REFUSED],
  })
  head(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.tus.answer(actor, request, reply, id);
  }

  @Patch(':id')
  @TusEndpoint({
    takes: ['Upload-Offset'],
    body: 'required',
    status: 204,
    answers: ['Upload-Offset', 'Upload-Expires', 'X-File-Id', 'Content-Location'],
  })
  @Endpoint({
    summary: 'Add bytes to an upload',
    description:
      'It may take long, as long as bytes keep coming. With the last one the upload is a file, which `X-File-Id` names. ' +
      'What is refused for its type, as soon as the bytes show it, is gone.',
    errors: [
      ...[...ABSENT, UploadErrors.OFFSET_CONFLICT, ...REFUSED],
      ...[UploadErrors.TOO_LONG, UploadErrors.EXTENSION_UNSUPPORTED],
    ],
  })
  append(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.tus.answer(actor, request, reply, id);
  }

  @Post(':id')
  @TusEndpoint({
    takes: ['X-HTTP-Method-Override', 'Upload-Offset'],
    body: 'optional',
    status: 204,
    answers: ['Upload-Offset', 'Upload-Expires', 'X-File-Id', 'Content-Location'],
    answersAsHead: PROGRESS,
  })
  @Endpoint({
    summary: 'The same as PATCH, HEAD or DELETE, for who cannot send that',
    errors: [
      ...[...ABSENT, UploadErrors.OFFSET_CONFLICT, UploadErrors.FINISHED, ...REFUSED],
      ...[UploadErrors.TOO_LONG, UploadErrors.EXTENSION_UNSUPPORTED],
    ],
  })
  override(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.tus.answer(actor, request, reply, id);
  }

  @Delete(':id')
  @TusEndpoint({ status: 204, answers: [] })
  @Endpoint({
    summary: 'Terminate an upload',
    description: 'What was reserved for it is free at once. One that is complete is a file, to be deleted as such.',
    errors: [...ABSENT, UploadErrors.FINISHED],
  })
  terminate(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.tus.answer(actor, request, reply, id);
  }
}
