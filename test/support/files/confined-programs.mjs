// Programs for the confinement tests: the argument names the program.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const programs = {
  /** Reports its environment, folder, open files and limits. */
  report() {
    const open = readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        return []; // the listed folder itself
      }
    });
    const limits = readFileSync('/proc/self/limits', 'utf8');
    process.stdout.write(JSON.stringify({ env: process.env, cwd: process.cwd(), open, limits }));
  },
  /** A decoder that returns its input, or never ends. */
  echo() {
    process.stdout.write('r');
    process.stdin.on('data', (bytes) => String(bytes) === 'for ever' && programs.deaf()).pipe(process.stdout);
  },
  /** Reads nothing and never ends. */
  deaf() {
    setInterval(() => undefined, 1_000);
  },
  loop() {
    for (;;);
  },
  flood() {
    const piece = 'x'.repeat(65_536);
    const more = () => {
      while (process.stdout.write(piece));
    };
    process.stdout.on('drain', more);
    more();
  },
  crash() {
    process.stderr.write('?'.repeat(100_000));
    process.abort();
  },
  memory() {
    const held = [];
    for (let mib = 0; mib < 2_048; mib += 64) held.push(new Uint8Array(64 * 1_048_576).fill(1));
    process.stdout.write(`${held.length}`);
  },
};

/** A JSON argument is a decoder task, and selects `echo`. */
const name = process.argv[2].startsWith('{') ? 'echo' : process.argv[2].split(' ')[0];
programs[name]();
