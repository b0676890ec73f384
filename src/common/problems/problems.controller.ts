// What a problem's `type` resolves to: the catalogue of error codes, each with what to do about it.
import { Controller, Get, Header, Headers, Param, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { errorCatalogue } from '../../shared/libs/app-error.js';
import { Endpoint } from '../decorators/endpoint.decorator.js';
import { HttpErrors } from '../http.errors.js';
import { toProblemPage } from './problem-page.js';
import { ProblemTypeDto, ProblemTypesDto, toProblemTypeDto } from './problems.dto.js';

const CACHING = 'public, max-age=300';

@ApiTags('Problems')
@Controller({ path: 'problems', version: VERSION_NEUTRAL })
export class ProblemsController {
  @Get()
  @Header('Cache-Control', CACHING)
  @Header('Vary', 'Accept')
  @Endpoint({
    summary: 'List all error codes; a page for browsers',
    returns: ProblemTypesDto,
    asPage: true,
    public: true,
    limit: 'none',
  })
  list(@Headers('accept') accept: string | undefined, @Res({ passthrough: true }) reply: FastifyReply): unknown {
    const items = [...errorCatalogue().values()].map(toProblemTypeDto).sort((a, b) => (a.code < b.code ? -1 : 1));
    return wantsPage(accept) ? page(reply, items) : { items };
  }

  @Get(':code')
  @Header('Cache-Control', CACHING)
  @Header('Vary', 'Accept')
  @Endpoint({
    summary: 'Explain one error code; a page for browsers',
    returns: ProblemTypeDto,
    asPage: true,
    public: true,
    limit: 'none',
    errors: [HttpErrors.ROUTE_NOT_FOUND],
  })
  get(
    @Param('code') code: string,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): unknown {
    const entry = errorCatalogue().get(code);
    if (!entry) throw HttpErrors.ROUTE_NOT_FOUND('GET', `/problems/${code}`);
    return wantsPage(accept) ? page(reply, [toProblemTypeDto(entry)]) : toProblemTypeDto(entry);
  }
}

/** Browsers name text/html first; API clients ask for JSON or for anything. */
function wantsPage(accept = ''): boolean {
  return accept.startsWith('text/html');
}

function page(reply: FastifyReply, problems: ProblemTypeDto[]): string {
  void reply.type('text/html; charset=utf-8');
  return toProblemPage(problems);
}
