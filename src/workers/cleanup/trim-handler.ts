// Makes the handler of a trim that deletes rows of one table and nothing else.
import { Inject, type Type } from '@nestjs/common';
import type { RetainedRows } from '../../common/repositories/retained-rows.js';
import { RowTrimmer } from '../../common/repositories/row-trimmer.js';
import type { Area } from '../../shared/config/settings.js';
import { Handles, type JobContext, type JobDefinition, type JobHandler, type JobResult } from '../job.js';
import type { NoPayload } from '../no-payload.js';

export interface Trim<S extends object> {
  rows: RetainedRows;
  /** The settings area with the limit. */
  settings: Area<S>;
  /** Returns the number of rows that each owner keeps. */
  maxRows: (settings: S) => number;
}

/** Returns a class for the providers of a module: it runs the job that `defineTrim` defined. */
export function trimHandler<S extends object>(
  job: JobDefinition<NoPayload>,
  trim: Trim<S>,
): Type<JobHandler<NoPayload>> {
  @Handles(job)
  class TrimHandler implements JobHandler<NoPayload> {
    constructor(
      private readonly trimmer: RowTrimmer,
      @Inject(trim.settings) private readonly settings: S,
    ) {}

    async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
      return { trimmed: await this.trimmer.trim(trim.rows, { rows: trim.maxRows(this.settings) }, signal) };
    }
  }
  return TrimHandler;
}
