// A process that owns (or joins) an embedded PostgreSQL until it is stopped, so that tests can kill it.
// Usage: node own-postgres.mjs own|join DATA_DIR [PASSWORD].
// Prints JSON lines: {log}, {ready: url} or {refused: message}, {stopped}.
import { EmbeddedPostgres, EmbeddedPostgresError } from '../../../dist/src/shared/database/embedded-postgres.js';

const [how, dataDir, password = 'correct horse'] = process.argv.slice(2);
const report = (word) => process.stdout.write(`${JSON.stringify(word)}\n`);
const options = { dataDir, password, database: 'holdfast', durable: false, log: (line) => report({ log: line }) };

try {
  const postgres = await (how === 'join' ? EmbeddedPostgres.join(options) : EmbeddedPostgres.own(options));
  report({ ready: postgres.url });
  const stay = setInterval(() => undefined, 60_000);
  process.once('SIGTERM', () => {
    clearInterval(stay);
    void postgres.stop().then(() => report({ stopped: true }));
  });
} catch (error) {
  if (!(error instanceof EmbeddedPostgresError)) throw error;
  report({ refused: error.message });
}
