// Slows the guessing of passwords down account by account, from however many addresses the guesses come.
import { Inject, Injectable } from '@nestjs/common';
import { AppConfig, type Rates } from '../shared/config/app-config.js';
import { AppError } from '../shared/libs/app-error.js';
import { macOf } from '../shared/libs/signed-text.js';
import { RateLimiter, retryAfterOf, type Taking } from '../shared/services/cache/rate-limiter.js';
import { LOGGER, type Logger } from '../shared/services/logging/logger.js';
import { AuthErrors } from './auth.errors.js';
import { DeviceCookie } from './device-cookie.js';

@Injectable()
export class LoginThrottle {
  private readonly rates: Rates;

  constructor(
    private readonly config: AppConfig,
    private readonly limiter: RateLimiter,
    private readonly devices: DeviceCookie,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const { loginOfAccount } = config.rateLimits;
    this.rates = { burst: loginOfAccount, sustained: loginOfAccount }; // one limit, to a limiter that knows pairs
  }

  /**
   * Runs `check`, which verifies a password of the account and throws INVALID_CREDENTIALS when it is wrong. It is
   * counted before: 500 guesses at once are 10 verifications and 490 refusals. Only a wrong password stays counted.
   * An unknown e-mail is counted like any other. `deviceCookie` as it was presented. Throws ACCOUNT_SLOWED.
   */
  async attempt<T>(email: string, deviceCookie: string, check: () => Promise<T>): Promise<T> {
    if (this.config.rateLimits.mode === 'off') return check();
    const caller = this.callerOf(email, deviceCookie);
    const taking = await this.limiter.take(caller, this.rates, 1);
    if (!taking.allowed) this.refuse(caller, taking);
    let isWrong = false;
    try {
      return await check();
    } catch (error) {
      isWrong = error instanceof AppError && error.code === AuthErrors.INVALID_CREDENTIALS.code;
      throw error;
    } finally {
      if (taking.allowed && !isWrong) await this.limiter.refund(caller, this.rates, 1, taking);
    }
  }

  /**
   * Strangers share one count. A device that the account logged in on before has its own, so that nobody can lock the
   * owner out by guessing. The e-mail itself is written nowhere: neither Redis nor a log line shows who is attacked.
   */
  private callerOf(email: string, deviceCookie: string): string {
    const device = this.devices.findDevice(deviceCookie, email);
    if (device !== null) return `login:device:${device}`;
    return `login:${macOf(this.config.auth.sessionSecret, 'login', email)}`;
  }

  private refuse(caller: string, { sustained }: Taking): void {
    if (this.config.rateLimits.mode === 'enforce')
      throw AuthErrors.ACCOUNT_SLOWED().withHeader('Retry-After', retryAfterOf(sustained));
    this.logger.warn({ caller }, 'AUTH_ACCOUNT_SLOWED would be the answer, but for RATE_LIMIT_MODE=dry-run');
  }
}
