// Files over REST: bytes in, bytes out, and what is known of them.
import { Controller, Delete, Get, Post, Req, Res, StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { type ExpectedVersions, IfMatch } from '../common/decorators/if-match.decorator.js';
import { Id, QueryParams } from '../common/decorators/input.decorator.js';
import { HttpErrors } from '../common/http.errors.js';
import type { Actor } from '../common/permissions.js';
import { contentHeaders } from './content-headers.js';
import { FileDto, FilePage, ListFilesQuery, toFileDto } from './dto/file.dto.js';
import { AnswersFile, TakesFile } from './file-endpoints.decorator.js';
import { FileErrors } from './files.errors.js';
import { FilesRepository } from './files.repository.js';
import { FilesService } from './files.service.js';
import { receiveFile } from './receive-file.js';

@ApiTags('Files')
@Controller('files')
export class FilesController {
  constructor(
    private readonly files: FilesRepository,
    private readonly service: FilesService,
  ) {}

  @Post()
  @TakesFile()
  @Endpoint({
    summary: 'Upload a file',
    description: 'A form with one part, the file in the field `file`. It may take long, as long as bytes keep coming.',
    returns: FileDto,
    status: 201,
    versioned: true,
    errors: [FileErrors.TOO_LARGE, HttpErrors.BAD_REQUEST],
  })
  async upload(@CurrentUser() actor: Actor, @Req() request: FastifyRequest): Promise<FileDto> {
    return toFileDto(await this.service.keep(actor, await receiveFile(request, this.service)));
  }

  @Get()
  @Endpoint({ summary: "List the caller's files", returns: FilePage, paged: true, errors: [HttpErrors.INVALID_CURSOR] })
  async list(@CurrentUser() actor: Actor, @QueryParams() query: ListFilesQuery): Promise<FilePage> {
    const { items, nextCursor } = await this.files.listOwned(actor, query);
    return { items: items.map(toFileDto), nextCursor };
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

  /** Of what a 304 or a HEAD does not read, and of who hangs up, Nest closes the stream. */
  @Get(':id/content')
  @AnswersFile()
  @Endpoint({ summary: 'Download a file', status: 200, versioned: true, errors: [FileErrors.NOT_FOUND] })
  async content(
    @CurrentUser() actor: Actor,
    @Id() id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const { file, stream } = await this.service.open(actor, id);
    void reply.headers(contentHeaders(file));
    return new StreamableFile(stream);
  }

  @Delete(':id')
  @Endpoint({ summary: 'Delete a file (softly)', conditional: true, errors: [FileErrors.NOT_FOUND] })
  async delete(@CurrentUser() actor: Actor, @Id() id: string, @IfMatch() expected: ExpectedVersions): Promise<void> {
    await this.files.deleteOwned(actor, id, expected);
  }
}
