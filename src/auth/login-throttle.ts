// Slows the guessing of passwords down account by account, from however many addresses the guesses come.
import { Inject, Injectable } from '@nestjs/common';
import { AppConfig, type Rates } from '../shared/config/app-config.js';
import { AppError } from '../shared/libs/app-error.js';
import { macOf } from '../shared/libs/signed-text.js';
import { RateLimiter, retryAfterOf, type Taking } from '../shared/rate-limits/rate-limiter.js';
import { LOGGER, type Logger } from '../shared/logging/logger.js';
import { AuthErrors } from './auth.errors.js';
import type { KnownDevice } from './device-cookie.js';

@Injectable()
export class LoginThrottle {
  private readonly rates: Rates;

  constructor(
    private readonly config: AppConfig,
    private readonly limiter: RateLimiter,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const { loginOfAccount } = config.rateLimits;
    this.rates = { burst: loginOfAccount, sustained: loginOfAccount }; // one limit, to a limiter that knows pairs
  }

  /**
   * Strangers share one count of an account. A device that the account logged in on before has its own, so that nobody can
   * lock the owner out by guessing. An unknown e-mail is counted like any other. Throws ACCOUNT_SLOWED.
   */
  login<T>(email: string, device: KnownDevice | null, check: () => Promise<T>): Promise<T> {
    // The e-mail itself is written nowhere: neither Redis nor a log line shows who is attacked.
    const stranger = `login:${macOf(this.config.auth.sessionSecret, 'login', email)}`;
    return this.attempt(device ? `login:device:${device.userId}:${device.number}` : stranger, check);
  }

  /** By session: whoever stole one guesses in it alone, and the owner can change the password meanwhile. Throws ACCOUNT_SLOWED. */
  changePassword<T>(sessionId: string, check: () => Promise<T>): Promise<T> {
    return this.attempt(`password:${sessionId}`, check);
  }

  /**
   * Runs `check`, which verifies a password of the account and throws INVALID_CREDENTIALS when it is wrong. It is
   * counted before: 500 guesses at once are 10 verifications and 490 refusals. Only a wrong password stays counted.
   */
  private async attempt<T>(caller: string, check: () => Promise<T>): Promise<T> {
    if (this.config.rateLimits.mode === 'off') return check();
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

  private refuse(caller: string, { sustained }: Taking): void {
    if (this.config.rateLimits.mode === 'enforce')
      throw AuthErrors.ACCOUNT_SLOWED().withHeader('Retry-After', retryAfterOf(sustained));
    this.logger.warn({ caller }, 'AUTH_ACCOUNT_SLOWED would be the answer, but for RATE_LIMIT_MODE=dry-run');
  }
}
