// Provides tokens and password hashing.
import { Module } from '@nestjs/common';
import { AccessTokens } from './access-tokens.js';
import { PasswordHasher } from './password-hasher.js';
import { RefreshTokens } from './refresh-tokens.js';

@Module({
  providers: [AccessTokens, PasswordHasher, RefreshTokens],
  exports: [AccessTokens, PasswordHasher, RefreshTokens],
})
export class SecurityModule {}
