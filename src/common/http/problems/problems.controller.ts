// Serves the URLs in a problem's `type`: the catalogue of error codes with their cures.
import { Controller, Get, Header, Param, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { errorCatalogue } from '../../../shared/libs/app-error.js';
import { Endpoint } from '../../decorators/endpoint.decorator.js';
import { HttpErrors } from '../http.errors.js';
import { prefers } from '../vary.js';
import { toProblemPage } from './problem-page.js';
import { ProblemTypeDto, ProblemTypesDto, toProblemTypeDto } from './problems.dto.js';

const PAGE_TYPE = 'text/html';
const CACHING = 'public, max-age=300';

@ApiTags('Problems')
@Controller({ path: 'problems', version: VERSION_NEUTRAL })
export class ProblemsController {
  @Get()
  @Header('Cache-Control', CACHING)
  @Endpoint({
    summary: 'List all error codes; a page for browsers',
    returns: ProblemTypesDto,
    orAs: PAGE_TYPE,
    public: true,
  })
  list(@Res({ passthrough: true }) reply: FastifyReply): unknown {
    const items = catalogue();
    return prefers(reply, PAGE_TYPE) ? page(reply, items) : { items };
  }

  @Get(':code')
  @Header('Cache-Control', CACHING)
  @Endpoint({
    summary: 'Explain one error code; a page for browsers',
    returns: ProblemTypeDto,
    orAs: PAGE_TYPE,
    public: true,
    limit: 'none',
    errors: [HttpErrors.ROUTE_NOT_FOUND],
  })
  get(@Param('code') code: string, @Res({ passthrough: true }) reply: FastifyReply): unknown {
    const entry = errorCatalogue().get(code);
    if (!entry) throw HttpErrors.ROUTE_NOT_FOUND('GET', `/problems/${code}`);
    return prefers(reply, PAGE_TYPE) ? page(reply, [toProblemTypeDto(entry)]) : toProblemTypeDto(entry);
  }
}

let sorted: ProblemTypeDto[] | undefined;
/** The catalogue is complete once the modules are loaded. */
function catalogue(): ProblemTypeDto[] {
  sorted ??= [...errorCatalogue().values()].map(toProblemTypeDto).sort((a, b) => (a.code < b.code ? -1 : 1));
  return sorted;
}

function page(reply: FastifyReply, problems: ProblemTypeDto[]): string {
  void reply.type(`${PAGE_TYPE}; charset=utf-8`);
  return toProblemPage(problems);
}
