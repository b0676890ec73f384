// `users.export`: writes all users that are not deleted to a CSV file, page by page (UTF-8, RFC 4180).
import { Readable } from 'node:stream';
import { FileIntake } from '../../files/file-intake.js';
import { Clock } from '../../shared/libs/clock.js';
import { Handles, type JobContext, type JobHandler, type JobResult, UnrecoverableError } from '../../workers/job.js';
import { JobErrors } from '../../workers/jobs.errors.js';
import { type ExportedUser, UsersBulkRepository } from '../users-bulk.repository.js';
import { ExportUsers, type ExportUsersPayload } from '../users.jobs.js';
import { guardCell, joinHobbies, toCsv } from '../../shared/libs/csv/csv-cells.js';

const BYTE_ORDER_MARK = '\ufeff';
const HEADER = ['id', 'email', 'username', 'name', 'age', 'hobbies', 'role', 'createdAt', 'updatedAt'];
/** The rest of the progress is for storing the file. */
const WRITTEN_PERCENT = 95;

/** Uses no thread: copying a page to it takes the process longer than writing it as CSV. */
@Handles(ExportUsers)
export class ExportHandler implements JobHandler<ExportUsersPayload> {
  constructor(
    private readonly users: UsersBulkRepository,
    private readonly intake: FileIntake,
    private readonly clock: Clock,
  ) {}

  async run({ bom = false }: ExportUsersPayload, job: JobContext): Promise<JobResult> {
    const { owner, signal } = job;
    if (!owner) throw new UnrecoverableError(JobErrors.OWNERLESS());
    const total = await this.users.count();
    let rows = 0;
    const onRows = (count: number): void => {
      rows += count;
      job.progress((WRITTEN_PERCENT * rows) / Math.max(rows, total));
    };
    const name = `users-${new Date(this.clock.now()).toISOString().slice(0, 10)}.csv`;
    const source = Readable.from(this.chunks(bom, onRows), { objectMode: false });
    const options = { name, mimeType: 'text/csv', maxBytes: Infinity, signal };
    return this.intake.receive(owner, source, options, (add) =>
      job.finish(async () => ({ fileId: (await add()).uuid, rows })),
    );
  }

  private async *chunks(bom: boolean, onRows: (count: number) => void): AsyncGenerator<Buffer> {
    yield Buffer.from((bom ? BYTE_ORDER_MARK : '') + toCsv([HEADER]));
    for await (const page of this.users.pagesToExport()) {
      yield Buffer.from(toCsv(page.map(toCells)));
      onRows(page.length);
    }
  }
}

function toCells(user: ExportedUser): Array<string | number | null> {
  const { uuid, email, username, name, age, hobbies, role, createdAt, updatedAt } = user;
  const texts = [email, username, name].map((text) => text && guardCell(text));
  return [uuid, ...texts, age, joinHobbies(hobbies), role, createdAt.toISOString(), updatedAt.toISOString()];
}
