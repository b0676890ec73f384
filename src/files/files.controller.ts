// REST endpoints of files: upload, download, metadata, rename, delete and restore.
import { Controller, Delete, Get, Patch, Post, Put, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DeletedPermissions } from '../common/access/permissions.js';
import { CurrentUser, PossibleUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { IfMatch } from '../common/decorators/if-match.decorator.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import { Id, JsonBody, QueryParams } from '../common/decorators/input.decorator.js';
import { SearchGate } from '../common/search-gate.js';
import { HttpErrors } from '../common/http/http.errors.js';
import type { Actor } from '../common/access/permissions.js';
import { BucketErrors } from '../storage/buckets/buckets.errors.js';
import { ContentService } from './content/content.service.js';
import { FileReader } from './content/file-reader.js';
import {
  ChangeFileDto,
  FileDto,
  FilePage,
  ListFilesQuery,
  SEARCH_FILTERS,
  toFileDto,
  UploadQuery,
  UsageDto,
} from './dto/file.dto.js';
import { AnswersFile, TakesFile } from './file-endpoints.decorator.js';
import { FileDeletion } from './file-deletion.js';
import { FileIntake } from './file-intake.js';
import { FileErrors } from './files.errors.js';
import { FilesRepository } from './files.repository.js';
import { FilesService } from './files.service.js';
import { receiveFile } from './receive-file.js';
import { QuotaErrors, StorageErrors } from '../storage/storage.errors.js';

@ApiTags('Files')
@Controller('files')
export class FilesController {
  constructor(
    private readonly files: FilesRepository,
    private readonly service: FilesService,
    private readonly intake: FileIntake,
    private readonly deletion: FileDeletion,
    private readonly reader: FileReader,
    private readonly contents: ContentService,
    private readonly searches: SearchGate,
  ) {}

  @Post()
  @TakesFile()
  @Endpoint({
    summary: 'Upload a file',
    description:
      'A form with one file, in the field `file`; a few small text fields beside it are ignored. It may take long, as long as bytes keep coming; /api/uploads takes what must be resumable.',
    returns: FileDto,
    status: 201,
    versioned: true,
    errors: [
      ...[FileErrors.TOO_LARGE, FileErrors.TYPE_NOT_ALLOWED, StorageErrors.WRITE_LOST, QuotaErrors.QUOTA_EXCEEDED],
      ...[StorageErrors.STORAGE_FULL, BucketErrors.NOT_FOUND, HttpErrors.BAD_REQUEST, HttpErrors.TOO_MANY_UPLOADS],
    ],
  })
  async upload(
    @CurrentUser() actor: Actor,
    @QueryParams() { bucket }: UploadQuery,
    @Req() request: FastifyRequest,
  ): Promise<FileDto> {
    return toFileDto(await receiveFile(request, actor, bucket, this.intake));
  }

  @Get()
  @Endpoint({
    summary: "List the caller's files",
    returns: FilePage,
    paged: true,
    searchBy: SEARCH_FILTERS,
    errors: [HttpErrors.FORBIDDEN],
  })
  async list(@CurrentUser() actor: Actor, @QueryParams() query: ListFilesQuery): Promise<FilePage> {
    const { items, nextCursor } = await this.searches.run(actor, query, SEARCH_FILTERS, () =>
      this.service.list(actor, query),
    );
    return { items: items.map(toFileDto), nextCursor };
  }

  @Get('usage')
  @Endpoint({ summary: 'How much the caller stores, and may store', returns: UsageDto })
  getUsage(@CurrentUser() actor: Actor): Promise<UsageDto> {
    return this.service.usage(actor);
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get what is known of a file',
    returns: FileDto,
    versioned: true,
    errors: [FileErrors.NOT_FOUND],
  })
  async get(@CurrentUser() actor: Actor, @Id() id: string): Promise<FileDto> {
    return toFileDto(await this.files.getOwned(actor, id));
  }

  @Get(':id/content')
  @AnswersFile()
  @Endpoint({
    summary: 'Download a file',
    description: 'The whole, a range, or several. Without a token only from a public bucket.',
    status: 200,
    public: 'optional',
    errors: [FileErrors.NOT_FOUND, FileErrors.DAMAGED, FileErrors.RANGE_NOT_SATISFIABLE],
  })
  async download(
    @PossibleUser() actor: Actor | undefined,
    @Id() id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.contents.answer(reply, await this.reader.content(actor, id));
  }

  @Put(':id')
  @Endpoint({
    summary: 'Rename a file; the same as PATCH',
    returns: FileDto,
    versioned: true,
    conditional: true,
    errors: [FileErrors.NOT_FOUND],
  })
  put(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() body: ChangeFileDto,
  ): Promise<FileDto> {
    return this.update(actor, id, expected, body);
  }

  @Patch(':id')
  @Endpoint({
    summary: 'Rename a file',
    returns: FileDto,
    versioned: true,
    conditional: true,
    errors: [FileErrors.NOT_FOUND],
  })
  async update(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() { name }: ChangeFileDto,
  ): Promise<FileDto> {
    return toFileDto(await this.service.rename(actor, id, name, expected));
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete a file (softly)',
    description: 'Its bytes go FILE_RETENTION days later, unless another file has the same content.',
    conditional: true,
    errors: [FileErrors.NOT_FOUND],
  })
  async delete(@CurrentUser() actor: Actor, @Id() id: string, @IfMatch() expected: ExpectedVersions): Promise<void> {
    await this.deletion.delete(actor, id, expected);
  }

  @Post(':id/restore')
  @Endpoint({
    summary: "Bring anyone's deleted file back",
    returns: FileDto,
    status: 200,
    versioned: true,
    requires: DeletedPermissions.restore,
    errors: [FileErrors.NOT_FOUND, FileErrors.PURGED, QuotaErrors.QUOTA_EXCEEDED],
  })
  async restore(@Id() id: string): Promise<FileDto> {
    return toFileDto(await this.deletion.restore(id));
  }
}
