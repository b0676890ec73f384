// The body of every error response: RFC 9457 with the members that partner teams already read.
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

export class FieldErrorDto {
  @ApiProperty({ example: 'email', description: 'Path of the field, e.g. `tasks.3.title`' })
  field!: string;

  @ApiProperty({ example: 'isEmail', description: 'Stable name of the rule' })
  rule!: string;

  @ApiProperty({ example: 'email must be an email' })
  message!: string;
}

export class ProblemContextDto {
  @ApiProperty({ example: '/api/users', description: 'Path without its query' })
  route!: string;

  @ApiProperty({ example: 'POST' })
  method!: string;

  @ApiProperty({ example: '203.0.113.7' })
  ip!: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'The caller, when known' })
  user?: string;
}

export class ProblemDto {
  @ApiProperty({ example: '/problems/VALIDATION_FAILED', description: 'Resolves to a page that explains the code' })
  type!: string;

  @ApiProperty({ example: 'Bad Request' })
  title!: string;

  @ApiProperty({ example: 400 })
  status!: number;

  @ApiProperty({ example: 'email must be an email' })
  detail!: string;

  @ApiProperty({ example: 'VALIDATION_FAILED', description: 'Stable constant; GET /problems lists all' })
  code!: string;

  @ApiProperty({ example: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11', description: 'Finds the log line' })
  requestId!: string;

  @ApiProperty({ example: 400 })
  statusCode!: number;

  @ApiProperty({ example: 'email must be an email' })
  message!: string;

  @ApiPropertyOptional({ type: [FieldErrorDto], description: 'The refused fields of a validation error' })
  errors?: FieldErrorDto[];

  @ApiProperty({ type: ProblemContextDto })
  additionalInfo!: ProblemContextDto;
}
