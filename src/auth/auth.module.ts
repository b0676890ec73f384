// Module of auth: sessions, tokens, and the guard of every route.
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SecurityModule } from '../shared/security/security.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccessGuard } from './access.guard.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { SessionsCleanupHandler } from './cleanup/sessions-cleanup.handler.js';
import { SessionsTrimHandler } from './cleanup/sessions-trim.handler.js';
import { DeviceCookie } from './device-cookie.js';
import { JwtStrategy } from './jwt.strategy.js';
import { LoginThrottle } from './login-throttle.js';
import { Principals } from './principals.js';
import { ProfileController } from './profile.controller.js';
import { RefreshCookie } from './refresh-cookie.js';
import { RefreshLimits } from './refresh-limits.js';
import { Session } from './session.entity.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Session]), SecurityModule, UsersModule],
  controllers: [AuthController, ProfileController],
  providers: [
    AuthService,
    DeviceCookie,
    JwtStrategy,
    LoginThrottle,
    Principals,
    RefreshCookie,
    RefreshLimits,
    SessionsCleanupHandler,
    SessionsRepository,
    SessionsService,
    SessionsTrimHandler,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [JwtStrategy, Principals],
})
export class AuthModule {}
