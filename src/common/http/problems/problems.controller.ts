// Serves the URLs in a problem's `type`: the catalogue of error codes with their cures.
import { Controller, Get, Header, Param, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import Negotiator from 'negotiator';
import { errorCatalogue } from '../../../shared/libs/app-error.js';
import { Endpoint } from '../../decorators/endpoint.decorator.js';
import { HttpErrors } from '../http.errors.js';
import { addVary } from '../vary.js';
import { toProblemPage } from './problem-page.js';
import { ProblemTypeDto, ProblemTypesDto, toProblemTypeDto } from './problems.dto.js';

const CACHING = 'public, max-age=300';

@ApiTags('Problems')
@Controller({ path: 'problems', version: VERSION_NEUTRAL })
export class ProblemsController {
  @Get()
  @Header('Cache-Control', CACHING)
  @Endpoint({
    summary: 'List all error codes; a page for browsers',
    returns: ProblemTypesDto,
    asPage: true,
    public: true,
    limit: 'none',
  })
  list(@Res({ passthrough: true }) reply: FastifyReply): unknown {
    const items = catalogue();
    return wantsPage(reply) ? page(reply, items) : { items };
  }

  @Get(':code')
  @Header('Cache-Control', CACHING)
  @Endpoint({
    summary: 'Explain one error code; a page for browsers',
    returns: ProblemTypeDto,
    asPage: true,
    public: true,
    limit: 'none',
    errors: [HttpErrors.ROUTE_NOT_FOUND],
  })
  get(@Param('code') code: string, @Res({ passthrough: true }) reply: FastifyReply): unknown {
    const entry = errorCatalogue().get(code);
    if (!entry) throw HttpErrors.ROUTE_NOT_FOUND('GET', `/problems/${code}`);
    return wantsPage(reply) ? page(reply, [toProblemTypeDto(entry)]) : toProblemTypeDto(entry);
  }
}

let sorted: ProblemTypeDto[] | undefined;
/** The catalogue is complete once the modules are loaded. */
function catalogue(): ProblemTypeDto[] {
  sorted ??= [...errorCatalogue().values()].map(toProblemTypeDto).sort((a, b) => (a.code < b.code ? -1 : 1));
  return sorted;
}

const JSON_TYPE = 'application/json';
const PAGE_TYPE = 'text/html';

/** The cost of reading Accept grows faster than its length; browsers send fewer than 200 characters. */
const MAX_ACCEPT = 1_000;

/** True when Accept prefers text/html, as browsers do; without a preference, and if Accept is too long, the response is JSON. */
function wantsPage(reply: FastifyReply): boolean {
  addVary(reply, 'Accept');
  if ((reply.request.headers.accept ?? '').length > MAX_ACCEPT) return false;
  return new Negotiator(reply.request).mediaType([JSON_TYPE, PAGE_TYPE]) === PAGE_TYPE;
}

function page(reply: FastifyReply, problems: ProblemTypeDto[]): string {
  void reply.type(`${PAGE_TYPE}; charset=utf-8`);
  return toProblemPage(problems);
}
