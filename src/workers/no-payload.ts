// Payload class of jobs that need no input.
import { Equals } from 'class-validator';

export class NoPayload {
  /** class-validator rejects every value of a class without any rule, so one rule is needed. */
  @Equals(undefined)
  nothing?: undefined;
}
