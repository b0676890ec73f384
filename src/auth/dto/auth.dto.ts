// DTOs of auth: request and response shapes, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import { EmailField, KnownEmailField, PasswordField, TextField } from '../../common/decorators/fields.decorator.js';
import { PageOf, PageQuery, SortField } from '../../common/dto/page.dto.js';
import { UserDto } from '../../users/dto/user.dto.js';
import type { Session } from '../session.entity.js';

export class RegisterDto {
  @EmailField({ example: 'ada@example.com' })
  email!: string;

  @PasswordField({ example: 'correct horse battery staple' })
  password!: string;

  @TextField({ max: 100, example: 'Ada Lovelace' })
  name!: string;
}

export class LoginDto {
  @KnownEmailField({ example: 'ada@example.com' })
  email!: string;

  @PasswordField({ min: 1, example: 'correct horse battery staple' })
  password!: string;
}

export class RefreshDto {
  @TextField({ max: 200, optional: true, description: 'Absent: the cookie `refresh_token` is used' })
  refreshToken?: string;
}

export class ChangePasswordDto {
  @PasswordField({ min: 1 })
  currentPassword!: string;

  @PasswordField({})
  newPassword!: string;
}

export class TokensDto {
  @ApiProperty({ type: UserDto })
  user!: UserDto;

  @ApiProperty({ description: 'JWT for `Authorization: Bearer …`' })
  accessToken!: string;

  @ApiProperty({ description: 'For POST /api/auth/refresh; also set as a signed httpOnly cookie' })
  refreshToken!: string;

  @ApiProperty({ type: 'integer', example: 900, description: 'Life of the access token, seconds' })
  expiresIn!: number;

  @ApiProperty({ enum: ['Bearer'], example: 'Bearer' })
  tokenType!: 'Bearer';
}

export class SessionDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ description: 'Whether the request came with this session' })
  current!: boolean;

  @ApiProperty({ example: 'curl/8.5.0' })
  userAgent!: string;

  @ApiProperty({ type: String, nullable: true, example: '203.0.113.7' })
  ip!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time', description: 'Last login or refresh' })
  lastUsedAt!: Date;

  @ApiProperty({ format: 'date-time' })
  expiresAt!: Date;
}

export class SessionPage extends PageOf(SessionDto) {}

export class ListSessionsQuery extends PageQuery {
  @SortField(['-createdAt'])
  sort = '-createdAt';
}

export function toSessionDto(session: Session, currentId: string): SessionDto {
  return {
    id: session.uuid,
    current: session.uuid === currentId,
    userAgent: session.userAgent,
    ip: session.ip,
    createdAt: session.createdAt,
    lastUsedAt: session.rotatedAt,
    expiresAt: session.expiresAt,
  };
}
