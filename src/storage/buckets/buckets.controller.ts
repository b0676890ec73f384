// The REST endpoints of buckets: all users may read them, administrators create and change them.
import { Controller, Delete, Get, Patch, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { DeletedPermissions, definePermissions } from '../../common/access/permissions.js';
import { CurrentUser } from '../../common/decorators/current-user.decorator.js';
import { Endpoint } from '../../common/decorators/endpoint.decorator.js';
import { IfMatch } from '../../common/decorators/if-match.decorator.js';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import { Id, JsonBody, QueryParams } from '../../common/decorators/input.decorator.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import type { Actor } from '../../common/access/permissions.js';
import { BucketErrors } from './buckets.errors.js';
import { BucketsRepository } from './buckets.repository.js';
import { BucketsService } from './buckets.service.js';
import {
  BucketDto,
  BucketPage,
  ChangeBucketDto,
  CreateBucketDto,
  ListBucketsQuery,
  toBucketDto,
} from './dto/bucket.dto.js';

const BucketPermissions = definePermissions({ write: 'buckets:write' });

const CHANGE = { returns: BucketDto, versioned: true, requires: BucketPermissions.write } as const;

@ApiTags('Buckets')
@Controller('buckets')
export class BucketsController {
  constructor(
    private readonly buckets: BucketsRepository,
    private readonly service: BucketsService,
  ) {}

  @Post()
  @Endpoint({ ...CHANGE, summary: 'Make a bucket', status: 201, errors: [BucketErrors.NAME_TAKEN] })
  async create(@JsonBody() body: CreateBucketDto): Promise<BucketDto> {
    return toBucketDto(await this.service.create(body));
  }

  @Get()
  @Endpoint({
    summary: 'List the buckets',
    returns: BucketPage,
    paged: true,
    errors: [HttpErrors.FORBIDDEN],
  })
  async list(@CurrentUser() actor: Actor, @QueryParams() query: ListBucketsQuery): Promise<BucketPage> {
    const { items, nextCursor } = await this.service.list(actor, query);
    return { items: items.map(toBucketDto), nextCursor };
  }

  @Get(':id')
  @Endpoint({ summary: 'Get a bucket', returns: BucketDto, versioned: true, errors: [BucketErrors.NOT_FOUND] })
  async get(@Id() id: string): Promise<BucketDto> {
    return toBucketDto(await this.buckets.get(id));
  }

  @Put(':id')
  @Endpoint({
    ...CHANGE,
    summary: 'Change a bucket; the same as PATCH',
    conditional: true,
    errors: [BucketErrors.NOT_FOUND, BucketErrors.NEEDED],
  })
  put(@Id() id: string, @IfMatch() expected: ExpectedVersions, @JsonBody() body: ChangeBucketDto): Promise<BucketDto> {
    return this.update(id, expected, body);
  }

  @Patch(':id')
  @Endpoint({
    ...CHANGE,
    summary: 'Change a bucket; what is absent stays, and so do the files that are in it',
    conditional: true,
    errors: [BucketErrors.NOT_FOUND, BucketErrors.NEEDED],
  })
  async update(
    @Id() id: string,
    @IfMatch() expected: ExpectedVersions,
    @JsonBody() body: ChangeBucketDto,
  ): Promise<BucketDto> {
    return toBucketDto(await this.service.change(id, body, expected));
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete an empty bucket (softly)',
    requires: BucketPermissions.write,
    conditional: true,
    errors: [BucketErrors.NOT_FOUND, BucketErrors.NOT_EMPTY, BucketErrors.NEEDED],
  })
  async delete(@Id() id: string, @IfMatch() expected: ExpectedVersions): Promise<void> {
    await this.service.delete(id, expected);
  }

  @Post(':id/restore')
  @Endpoint({
    ...CHANGE,
    summary: 'Bring a deleted bucket back',
    status: 200,
    requires: DeletedPermissions.restore,
    errors: [BucketErrors.NOT_FOUND, BucketErrors.NAME_TAKEN],
  })
  async restore(@Id() id: string): Promise<BucketDto> {
    return toBucketDto(await this.service.restore(id));
  }
}
