// Creates, lists and revokes signed links for the owner of a file, and resolves a link for its holder.
import { Injectable } from '@nestjs/common';
import { SecuritySettings } from '../../shared/security/security.settings.js';
import { isMacOf, macOf } from '../../shared/libs/signed-text.js';
import type { Content } from '../content/content.service.js';
import { FileReader } from '../content/file-reader.js';
import { FilesRepository } from '../files.repository.js';
import { type LinkDto, type LinkPage, type ListLinksQuery, toLinkDto } from './dto/link.dto.js';
import type { FileLink } from './file-link.entity.js';
import { LinkErrors } from './links.errors.js';
import { LinksRepository } from './links.repository.js';
import type { Owner } from '../../common/access/permissions.js';

/** Purpose in the MAC; it separates links from other uses of the secret. */
const PURPOSE = 'file-link';
const TOKEN = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([\w-]{43})$/;

@Injectable()
export class LinksService {
  private readonly secret: string;

  constructor(
    private readonly files: FilesRepository,
    private readonly links: LinksRepository,
    private readonly reader: FileReader,
    { sessionSecret }: SecuritySettings,
  ) {
    this.secret = sessionSecret;
  }

  /** Creates a link. Throws FILE_NOT_FOUND, QUOTA_EXCEEDED. */
  async create(owner: Owner, fileId: string, expiresInSeconds: number): Promise<LinkDto> {
    const file = await this.files.getOwned(owner, fileId);
    return this.toDto(await this.links.create(file, expiresInSeconds));
  }

  /** Lists the links of a file. Throws FILE_NOT_FOUND. */
  async list(owner: Owner, fileId: string, query: ListLinksQuery): Promise<LinkPage> {
    const { items, nextCursor } = await this.links.listOf(await this.files.getOwned(owner, fileId), query);
    return { items: items.map((link) => this.toDto(link)), nextCursor };
  }

  /** Revokes a link. Throws FILE_NOT_FOUND, NOT_FOUND. */
  async revoke(owner: Owner, fileId: string, linkId: string): Promise<void> {
    await this.links.revoke(await this.files.getOwned(owner, fileId), linkId);
  }

  /** Returns the linked content. Checks the MAC before it queries the database. Throws NOT_FOUND, GONE, FILE_DAMAGED. */
  async follow(token: string): Promise<Content> {
    const [, uuid = '', mac = ''] = TOKEN.exec(token) ?? [];
    if (!isMacOf(this.secret, PURPOSE, uuid, mac)) throw LinkErrors.NOT_FOUND();
    const target = await this.links.findTarget(uuid);
    if (!target) throw LinkErrors.NOT_FOUND();
    if (!target.isAlive) throw LinkErrors.GONE();
    return this.reader.content({ id: target.ownerUuid, key: target.ownerId }, target.fileUuid);
  }

  /** The token is the link's id with a MAC. It is not stored, and the database alone cannot produce it. */
  private toDto(link: FileLink): LinkDto {
    return toLinkDto(link, `${link.uuid}.${macOf(this.secret, PURPOSE, link.uuid)}`);
  }
}
