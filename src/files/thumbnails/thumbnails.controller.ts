// REST endpoint of thumbnails.
import { Controller, Get, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { PossibleUser } from '../../common/decorators/current-user.decorator.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { Id, QueryParams } from '../../common/decorators/input.decorator.js';
import type { Actor } from '../../common/access/permissions.js';
import { ContentService } from '../content/content.service.js';
import { AnswersFile } from '../file-endpoints.decorator.js';
import { FileErrors } from '../files.errors.js';
import { ThumbnailQuery } from './thumbnail.dto.js';
import type { ThumbnailSize } from './thumbnail-sizes.js';
import { ThumbnailsService } from './thumbnails.service.js';

@ApiTags('Files')
@Controller('files')
export class ThumbnailsController {
  constructor(
    private readonly thumbnails: ThumbnailsService,
    private readonly contents: ContentService,
  ) {}

  @Get(':id/thumbnail')
  @AnswersFile('image/webp')
  @Endpoint({
    summary: 'See a small picture of an image',
    description:
      'Upright, in sRGB, without metadata. A job makes it once the image is there. Without a token only from a public bucket.',
    status: 200,
    public: 'optional',
    errors: [
      ...[FileErrors.NOT_FOUND, FileErrors.NO_THUMBNAIL, FileErrors.THUMBNAIL_PENDING],
      FileErrors.RANGE_NOT_SATISFIABLE,
    ],
  })
  async download(
    @PossibleUser() actor: Actor | undefined,
    @Id() id: string,
    @QueryParams() { size }: ThumbnailQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.contents.answer(reply, await this.thumbnails.content(actor, id, Number(size) as ThumbnailSize));
  }
}
