// REST endpoints of signed links.
import { Controller, Delete, Get, Param, Post, Res } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentUser } from '../../common/decorators/current-user.decorator.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { Id, JsonBody, parseUuid, QueryParams } from '../../common/decorators/input.decorator.js';
import type { Actor } from '../../common/access/permissions.js';
import { ContentService } from '../content/content.service.js';
import { AnswersFile } from '../file-endpoints.decorator.js';
import { FileErrors } from '../files.errors.js';
import { CreateLinkDto, LinkDto, LinkPage, ListLinksQuery } from './dto/link.dto.js';
import { LinkErrors } from './links.errors.js';
import { LinksService } from './links.service.js';

@ApiTags('Files')
@Controller()
export class LinksController {
  constructor(
    private readonly links: LinksService,
    private readonly contents: ContentService,
  ) {}

  @Post('files/:id/link')
  @Endpoint({
    summary: 'Make a signed link to a file',
    description:
      'Every holder of the link may download the file, in its present version, until it expires or is revoked.',
    returns: LinkDto,
    status: 201,
    errors: [FileErrors.NOT_FOUND, LinkErrors.QUOTA_EXCEEDED],
  })
  create(@CurrentUser() actor: Actor, @Id() id: string, @JsonBody() body: CreateLinkDto): Promise<LinkDto> {
    return this.links.create(actor, id, body.expiresIn);
  }

  @Get('files/:id/links')
  @Endpoint({
    summary: 'List the links to a file that were not revoked',
    returns: LinkPage,
    paged: true,
    errors: [FileErrors.NOT_FOUND],
  })
  list(@CurrentUser() actor: Actor, @Id() id: string, @QueryParams() query: ListLinksQuery): Promise<LinkPage> {
    return this.links.list(actor, id, query);
  }

  @Delete('files/:id/links/:linkId')
  @ApiParam({ name: 'linkId', schema: { type: 'string', format: 'uuid' } })
  @Endpoint({ summary: 'Revoke a link', errors: [FileErrors.NOT_FOUND, LinkErrors.NOT_FOUND] })
  async revoke(@CurrentUser() actor: Actor, @Id() id: string, @Param('linkId') linkId: string): Promise<void> {
    await this.links.revoke(actor, id, parseUuid('linkId', linkId));
  }

  @Get('links/:token')
  @ApiParam({ name: 'token', schema: { type: 'string' } })
  @AnswersFile()
  @Endpoint({
    summary: 'Download by a signed link',
    description: 'The whole, a range, or several; no token but the one in the link.',
    status: 200,
    public: true,
    errors: [LinkErrors.NOT_FOUND, LinkErrors.GONE, FileErrors.DAMAGED, FileErrors.RANGE_NOT_SATISFIABLE],
  })
  async follow(@Param('token') token: string, @Res() reply: FastifyReply): Promise<void> {
    await this.contents.answer(reply, await this.links.follow(token));
  }
}
