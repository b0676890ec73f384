// Answers a request with the job that it created; the Location header is the URL of the job, not one below the route.
import type { FastifyReply } from 'fastify';
import { answerRendered, renderResource } from '../../common/http/hooks/representation.hooks.js';
import { toJobDto } from './dto/job.dto.js';
import type { Job } from '../job.entity.js';

/** Returns the response body. The route declares `returns: JobDto, status: 202, versioned: true`. */
export function answerJob(reply: FastifyReply, job: Job): string {
  const [api] = /^(\/api)(\/v1)?(?=\/)/.exec(reply.request.url) ?? ['/api'];
  void reply.header('location', `${api}/jobs/${job.uuid}`);
  return answerRendered(reply, renderResource(toJobDto(job)));
}
