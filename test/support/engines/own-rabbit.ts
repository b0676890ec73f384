// A separate RabbitMQ for a test on free ports: it can be killed, wiped and restarted.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { RABBITMQ_BIN } from './services.js';
import { until } from '../time/until.js';

const BOOT_MS = 60_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export class OwnRabbit {
  private readonly dir = mkdtempSync(join(tmpdir(), 'holdfast-rabbit-'));
  private readonly node = `test-${randomBytes(4).toString('hex')}@localhost`;
  private epmd: ChildProcess | undefined;
  private child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly distributionPort: number,
    private readonly epmdPort: number,
  ) {}

  static async start(): Promise<OwnRabbit> {
    const rabbit = new OwnRabbit(await freePort(), await freePort(), await freePort());
    // Starts Erlang's name server too: one that RabbitMQ starts by itself would outlive it.
    rabbit.epmd = spawn('epmd', ['-port', String(rabbit.epmdPort), '-address', '127.0.0.1'], { stdio: 'ignore' });
    await rabbit.up();
    return rabbit;
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}`;
  }

  /** Starts or restarts the server, and waits until it answers. */
  async up(): Promise<void> {
    if (RABBITMQ_BIN === undefined) throw new Error('rabbitmq-server is not installed: skip this suite by name.');
    mkdirSync(join(this.dir, 'data'), { recursive: true });
    writeFileSync(join(this.dir, 'plugins'), '[].');
    // With RABBITMQ_ALLOW_INPUT the script becomes the server process, so that a signal to it reaches the server.
    const env = { ...this.env, RABBITMQ_ALLOW_INPUT: '1' };
    this.child = spawn(join(RABBITMQ_BIN, 'rabbitmq-server'), ['-noinput'], { env, stdio: 'ignore' });
    await until(() => this.answers(), `RabbitMQ on ${this.port}`, BOOT_MS);
  }

  async kill(): Promise<void> {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  /** Deletes the data of a killed server, so that it starts like a new one. */
  wipe(): void {
    rmSync(join(this.dir, 'data'), { recursive: true, force: true });
  }

  /** Runs `rabbitmqctl` and returns its output. */
  async control(...args: string[]): Promise<string> {
    const child = spawn(join(RABBITMQ_BIN ?? '', 'rabbitmqctl'), ['-q', '-n', this.node, ...args], { env: this.env });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`rabbitmqctl ${args.join(' ')}: ${output}`);
    return output;
  }

  async stop(): Promise<void> {
    await this.kill();
    this.epmd?.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }

  private get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.dir, // contains the Erlang cookie
      ERL_EPMD_PORT: String(this.epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: this.node,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(this.port),
      RABBITMQ_DIST_PORT: String(this.distributionPort),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_CONFIG_FILE: join(this.dir, 'rabbitmq'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(this.dir, 'advanced'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.dir, 'plugins'),
      RABBITMQ_GENERATED_CONFIG_DIR: join(this.dir, 'data', 'config'),
      RABBITMQ_MNESIA_BASE: join(this.dir, 'data'),
      RABBITMQ_LOG_BASE: join(this.dir, 'log'),
    };
  }

  private async answers(): Promise<boolean> {
    if (this.child?.exitCode !== null) throw new Error(`RabbitMQ ended with ${String(this.child?.exitCode)}`);
    const connection = await connect(this.url, { timeout: 1_000 }).catch(() => null);
    await connection?.close();
    return connection !== null;
  }
}
