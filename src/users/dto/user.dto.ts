// DTOs of users: request and response shapes, and the mapper.
import { ApiProperty, ApiPropertyOptional, PartialType, PickType } from '@nestjs/swagger';
import {
  EmailField,
  EnumField,
  IntField,
  PasswordField,
  TextField,
  TextListField,
  UsernameField,
} from '../../common/decorators/fields.decorator.js';
import { PageOf, RestorablePageQuery, SortField } from '../../common/dto/page.dto.js';
import { ROLES, type Role } from '../../common/access/permissions.js';
import { type Rendered, renderResource } from '../../common/http/hooks/representation.hooks.js';
import type { User } from '../user.entity.js';

export class CreateUserDto {
  @EmailField({ optional: true, nullable: true, example: 'ada@example.com' })
  email?: string | null;

  @PasswordField({ optional: true, description: 'Without one, the user cannot log in' })
  password?: string;

  @TextField({ max: 100, optional: true, nullable: true, example: 'Ada Lovelace' })
  name?: string | null;

  @UsernameField({ optional: true, nullable: true, example: 'ada' })
  username?: string | null;

  @IntField({ min: 0, max: 150, optional: true, nullable: true, example: 36 })
  age?: number | null;

  @TextListField({ items: 50, max: 100, optional: true, example: ['coding', 'chess'] })
  hobbies?: string[];

  @EnumField({ name: 'Role', values: ROLES, optional: true, default: 'USER' })
  role?: Role;
}

/** Body of PUT and PATCH: absent members stay unchanged. */
export class ChangeUserDto extends PartialType(CreateUserDto, { skipNullProperties: false }) {}

/** Members that users may change of their own account. */
export class ChangeProfileDto extends PickType(ChangeUserDto, ['name', 'username', 'age', 'hobbies'] as const) {}

/** Filters that no index covers: finding a page may read many rows. */
export const SEARCH_FILTERS = ['q', 'role'] as const;

export class ListUsersQuery extends RestorablePageQuery {
  @SortField(['-createdAt', 'createdAt', '-updatedAt', 'updatedAt'])
  sort = '-createdAt';

  @EnumField({ name: 'Role', values: ROLES, optional: true })
  role?: Role;

  @TextField({ max: 100, optional: true, description: 'Part of the e-mail, name or username' })
  q?: string;
}

export class UserDto {
  @ApiProperty({ format: 'uuid', example: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11' })
  id!: string;

  @ApiProperty({ type: String, nullable: true, example: 'ada@example.com' })
  email!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'Ada Lovelace' })
  name!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'ada' })
  username!: string | null;

  @ApiProperty({ type: 'integer', nullable: true, example: 36 })
  age!: number | null;

  @ApiProperty({ type: [String], example: ['coding'] })
  hobbies!: string[];

  @ApiProperty({ enum: ROLES, enumName: 'Role', example: 'USER' })
  role!: Role;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: Date;

  @ApiProperty({ type: 'integer', example: 1, description: 'Also the ETag' })
  version!: number;

  @ApiPropertyOptional({ format: 'date-time', description: 'Only of deleted users' })
  deletedAt?: Date;
}

export class UserPage extends PageOf(UserDto) {}

export function renderUser(user: User): Rendered {
  return renderResource(toUserDto(user));
}

export function toUserDto(user: User): UserDto {
  return {
    id: user.uuid,
    email: user.email,
    name: user.name,
    username: user.username,
    age: user.age,
    hobbies: user.hobbies,
    role: user.role,
    createdAt: user.createdAt,
    updatedAt: user.updatedAt,
    version: user.version,
    ...(user.deletedAt && { deletedAt: user.deletedAt }),
  };
}
