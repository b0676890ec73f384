// GET /docs/openapi.json, public or for administrators only; Swagger UI reads it.
import { Controller, Get, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import Negotiator from 'negotiator';
import { definePermissions } from '../../access/permissions.js';
import { Endpoint } from '../../decorators/endpoint.decorator.js';
import { includesTag } from '../hooks/representation.hooks.js';
import { addVary } from '../vary.js';
import { ApiDocument, ENCODINGS } from './api-document.js';

const DocsPermissions = definePermissions({ read: 'docs:read' });

const SUMMARY = 'The OpenAPI document';

@ApiExcludeController()
@Controller({ path: 'docs', version: VERSION_NEUTRAL })
export class PublicDocsController {
  constructor(private readonly document: ApiDocument) {}

  @Get('openapi.json')
  @Endpoint({ summary: SUMMARY, status: 200, public: true })
  get(@Res() reply: FastifyReply): Promise<void> {
    return answer(reply.header('cache-control', 'no-cache'), this.document);
  }
}

@ApiExcludeController()
@Controller({ path: 'docs', version: VERSION_NEUTRAL })
export class AdminDocsController {
  constructor(private readonly document: ApiDocument) {}

  @Get('openapi.json')
  @Endpoint({ summary: SUMMARY, status: 200, requires: DocsPermissions.read })
  get(@Res() reply: FastifyReply): Promise<void> {
    addVary(reply, 'Authorization');
    return answer(reply.header('cache-control', 'private, no-cache'), this.document);
  }
}

async function answer(reply: FastifyReply, document: ApiDocument): Promise<void> {
  addVary(reply, 'Accept-Encoding');
  const accepted = new Negotiator(reply.request).encodings([...ENCODINGS]);
  const encoding = ENCODINGS.find((one) => accepted.includes(one)) ?? 'identity';
  const { body, etag } = await document.encodedAs(encoding);
  void reply.header('etag', etag);
  const known = reply.request.headers['if-none-match'];
  if (known !== undefined && includesTag(known, etag)) return void reply.code(304).send();
  if (encoding !== 'identity') void reply.header('content-encoding', encoding);
  void reply.type('application/json; charset=utf-8').send(body);
}
