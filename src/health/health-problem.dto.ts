// DTO of a failed probe: a problem with the details of the checks.
import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiPropertyOptional, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { describeProblem, refer, REQUEST_ID } from '../common/decorators/openapi-responses.js';
import { ProblemDto } from '../common/dto/problem.dto.js';
import { HealthErrors } from './health.errors.js';

export class HealthProblemDto extends ProblemDto {
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    example: { database: { status: 'down', message: 'timeout of 1000ms exceeded' } },
    description: 'What is up and what is not',
  })
  details?: Record<string, unknown>;

  @ApiPropertyOptional({ example: '0.1.0', description: 'This and what follows only at /health' })
  version?: string;

  @ApiPropertyOptional({ example: 'v20.19.0' })
  node?: string;

  @ApiPropertyOptional({ example: 12.3, description: 'Seconds since the start' })
  uptime?: number;

  @ApiPropertyOptional({ format: 'date-time' })
  timestamp?: Date;
}

/** Declares the 503 answer of a probe. It goes above Endpoint. */
export function MayBeUnready(): MethodDecorator {
  return applyDecorators(
    ApiExtraModels(HealthProblemDto),
    ApiResponse({
      status: 503,
      description: describeProblem(503, [HealthErrors.NOT_READY.code]),
      headers: { ...REQUEST_ID, ...refer('Retry-After') },
      content: { 'application/problem+json': { schema: { $ref: getSchemaPath(HealthProblemDto) } } },
    }),
  );
}
