// The payload of jobs that need to be told nothing.
import { Equals } from 'class-validator';

export class NoPayload {
  /** class-validator refuses every value of a class that has no rule at all. */
  @Equals(undefined)
  nothing?: undefined;
}
