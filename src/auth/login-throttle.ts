// Limits password guesses per account, from however many addresses they come.
import { Inject, Injectable } from '@nestjs/common';
import { RateLimitSettings } from '../shared/rate-limits/rate-limits.settings.js';
import { SecuritySettings } from '../shared/security/security.settings.js';
import { AppError } from '../shared/libs/app-error.js';
import { macOf } from '../shared/libs/signed-text.js';
import { RateLimiter, type Rates, retryAfterOf, type TakeResult } from '../shared/rate-limits/rate-limiter.js';
import { LOGGER, type Logger } from '../shared/logging/logger.js';
import { AuthErrors } from './auth.errors.js';
import type { KnownDevice } from './device-cookie.js';

/** Verifies a password. `isLastGuess`: true when further attempts will be refused if it is wrong. Throws INVALID_CREDENTIALS. */
type Check<T> = (isLastGuess: boolean) => Promise<T>;

@Injectable()
export class LoginThrottle {
  private readonly rates: Rates;

  constructor(
    private readonly limits: RateLimitSettings,
    private readonly secrets: SecuritySettings,
    private readonly limiter: RateLimiter,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const { loginOfAccount } = limits;
    this.rates = { burst: loginOfAccount, sustained: loginOfAccount }; // one limit; the limiter expects two
  }

  /**
   * All unknown devices share one count per account. A known device has its own count, so that guesses of others cannot lock
   * the owner out. An unknown e-mail is counted in the same way. Throws ACCOUNT_SLOWED.
   */
  login<T>(email: string, device: KnownDevice | null, check: Check<T>): Promise<T> {
    // Uses a MAC of the e-mail, so that neither Redis nor a log line shows which account is attacked.
    const unknownDevice = `login:${macOf(this.secrets.sessionSecret, 'login', email)}`;
    return this.attempt(device ? `login:device:${device.userId}:${device.number}` : unknownDevice, check);
  }

  /**
   * Counts by session: a thief guesses in the stolen session only, and the owner can still change the password. Throws
   * ACCOUNT_SLOWED.
   */
  changePassword<T>(sessionId: string, check: Check<T>): Promise<T> {
    return this.attempt(`password:${sessionId}`, check);
  }

  /**
   * Counts the attempt before the check: 500 simultaneous guesses cause 10 verifications and 490 refusals. Refunds the attempt unless
   * the password was wrong.
   */
  private async attempt<T>(caller: string, check: Check<T>): Promise<T> {
    if (this.limits.mode === 'off') return check(false);
    const result = await this.limiter.take(caller, this.rates, 1);
    if (!result.allowed) this.refuse(caller, result);
    let isWrong = false;
    try {
      return await check(result.sustained.remaining === 0);
    } catch (error) {
      isWrong = error instanceof AppError && error.code === AuthErrors.INVALID_CREDENTIALS.code;
      throw error;
    } finally {
      if (result.allowed && !isWrong) await this.limiter.refund(caller, this.rates, 1, result);
    }
  }

  private refuse(caller: string, { sustained }: TakeResult): void {
    if (this.limits.mode === 'enforce')
      throw AuthErrors.ACCOUNT_SLOWED().withHeader('Retry-After', retryAfterOf(sustained));
    this.logger.warn({ caller }, 'RATE_LIMIT_MODE=dry-run: the answer would be AUTH_ACCOUNT_SLOWED');
  }
}
