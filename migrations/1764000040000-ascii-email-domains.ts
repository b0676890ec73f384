// Converts e-mail domains to ASCII, as all lookups do: an account of `müller.de` is found by `xn--mller-kva.de`.
import { domainToASCII } from 'node:url';
import type { MigrationInterface, QueryRunner } from 'typeorm';

interface Row {
  id: string;
  email: string;
}

export class AsciiEmailDomains1764000040000 implements MigrationInterface {
  /**
   * If another account that is not deleted has the ASCII address already, the address stays unchanged: an administrator, who
   * finds both in the list of users, must decide which is right. Invalid domains stay unchanged, too.
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

  /** Does nothing: the ASCII address is the same address, and its original spelling is lost. */
  async down(): Promise<void> {
    await Promise.resolve();
  }
}
