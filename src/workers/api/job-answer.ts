// A job as the answer of a route that set it going: Location leads to the job, not below the route.
import type { FastifyReply } from 'fastify';
import { answerRendered, renderResource } from '../../common/http/hooks/representation.hooks.js';
import { toJobDto } from './dto/job.dto.js';
import type { Job } from '../job.entity.js';

/** For a route to return; it declares `returns: JobDto, status: 202, versioned: true`. */
export function answerJob(reply: FastifyReply, job: Job): string {
  const [api] = /^(\/api)(\/v1)?(?=\/)/.exec(reply.request.url) ?? ['/api'];
  void reply.header('location', `${api}/jobs/${job.uuid}`);
  return answerRendered(reply, renderResource(toJobDto(job)));
}
