// E-mail domains in ASCII: an account that was opened with `müller.de` is found by `xn--mller-kva.de`, as every lookup has it now.
import { domainToASCII } from 'node:url';
import type { MigrationInterface, QueryRunner } from 'typeorm';

interface Row {
  id: string;
  email: string;
}

export class AsciiEmailDomains1764000040000 implements MigrationInterface {
  /**
   * Where a living account has the address in ASCII already, the other one keeps its own: which of the two is right is for
   * an administrator to say, who finds both in the list of users. The same goes for a domain that is none.
   */
  async up(runner: QueryRunner): Promise<void> {
    const rows = (await runner.query(`SELECT id, email FROM users WHERE email ~ '@.*[^\\x01-\\x7f]'`)) as Row[];
    for (const { id, email } of rows) {
      const at = email.lastIndexOf('@') + 1;
      const domain = domainToASCII(email.slice(at));
      const ascii = email.slice(0, at) + domain;
      if (domain === '' || ascii.length > 254) continue;
      await runner.query(
        `UPDATE users SET email = $2, version = version + 1, updated_at = CURRENT_TIMESTAMP
         WHERE id = $1 AND NOT EXISTS (SELECT FROM users other WHERE other.email = $2 AND other.deleted_at IS NULL)`,
        [id, ascii],
      );
    }
  }

  /** Nothing: the address in ASCII is the same address, and how it was written is not known any more. */
  async down(): Promise<void> {
    await Promise.resolve();
  }
}
