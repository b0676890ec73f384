// The endpoint for several requests in one.
import { Controller, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { JsonBody } from '../common/decorators/input.decorator.js';
import { HttpErrors } from '../common/http/http.errors.js';
import { BatchService, MAX_BYTES } from './batch.service.js';
import { BatchDto, BatchResultDto } from './dto/batch.dto.js';
import { isInjected } from '../common/http/in-flight-request.js';

@ApiTags('Requests')
@Controller('batch')
export class BatchController {
  constructor(private readonly batches: BatchService) {}

  @Post()
  @Endpoint({
    summary: 'Run up to 20 requests, one after the other',
    description:
      "Each is run with the caller's identity and counted against its limits, the batch itself as one more. One that " +
      'fails does not stop the others. Its request id is that of the batch with `.1`, `.2`, … behind it. Answers are JSON ' +
      '(others: `BATCH_NOT_JSON`) and together at most 2 MiB (more: `BATCH_TOO_LARGE`). Who cancels the batch, or hangs ' +
      'up, cancels the one that runs, and the rest is not begun.',
    returns: BatchResultDto,
    status: 207,
    maxAnswerBytes: MAX_BYTES,
    errors: [HttpErrors.BATCH_IN_BATCH],
  })
  async run(@JsonBody() body: BatchDto, @Req() request: FastifyRequest): Promise<BatchResultDto> {
    if (isInjected(request)) throw HttpErrors.BATCH_IN_BATCH(); // reached by another spelling of the path
    return { responses: await this.batches.run(body.requests, request) };
  }
}
