// A separate S3 server for a test: Ceph's RADOS Gateway with an object store in memory, installed by install-s3.sh.
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../time/until.js';

const BOOT_MS = 60_000;
const PROGRAMS = ['ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin'];

/** True when all programs of Ceph are installed; suites that start their own servers need them. */
export const s3Installed = PROGRAMS.every((program) =>
  (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(`${folder}/${program}`)),
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export async function startOwnS3(): Promise<OwnS3> {
  if (!s3Installed)
    throw new Error('Ceph is not installed (test/support/engines/install-s3.sh): skip this suite by name.');
  const s3 = new OwnS3(await freePort(), await freePort());
  try {
    await s3.up();
  } catch (error) {
    await s3.stop();
    throw error;
  }
  return s3;
}

/**
 * Limits of this Ceph (16.2): it refuses bodies without a declared length, so a client that sends streams needs
 * `requestChecksumCalculation: 'WHEN_REQUIRED'`. It neither checks nor keeps `x-amz-checksum-*`, but checks Content-MD5.
 */
export class OwnS3 {
  readonly endpoint: string;
  readonly region = 'us-east-1';
  readonly accessKeyId = `AKIA${randomBytes(8).toString('hex').toUpperCase()}`;
  readonly secretAccessKey = randomBytes(20).toString('hex');
  readonly bucket = `test-${randomBytes(4).toString('hex')}`;
  private readonly dir = mkdtempSync(join(tmpdir(), 'holdfast-s3-'));
  private readonly fsid = randomUUID();
  private readonly daemons: ChildProcess[] = [];
  private readonly broken = new AbortController();

  constructor(
    private readonly port: number,
    private readonly monitorPort: number,
  ) {
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Creates the cluster, its user and the bucket, and waits until it answers. */
  async up(): Promise<void> {
    writeFileSync(join(this.dir, 'ceph.conf'), this.config);
    for (const folder of ['mon', 'osd']) mkdirSync(join(this.dir, folder));
    const monitors = join(this.dir, 'monitors');
    const osd = randomUUID();

    await this.run('monmaptool', '--create', '--fsid', this.fsid, '--addv', 'a', `[${this.monitor}]`, monitors);
    await this.run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monitors);
    this.daemon('ceph-mon', '-i', 'a');
    await this.run('ceph', 'osd', 'new', osd);
    await this.run('ceph-osd', '--mkfs', '-i', '0', '--osd-uuid', osd);
    this.daemon('ceph-osd', '-i', '0');
    const keys = ['--access-key', this.accessKeyId, '--secret-key', this.secretAccessKey];
    await this.run('radosgw-admin', 'user', 'create', '--uid', 'test', '--display-name', 'test', ...keys);
    this.daemon('radosgw', '-n', 'client.gateway');
    await until(() => this.answers(), `S3 on ${this.port}`, BOOT_MS);

    const { endpoint, region, bucket: Bucket } = this;
    const client = new S3Client({ endpoint, region, credentials: this, forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket })).finally(() => client.destroy());
  }

  /** Kills all daemons at once, like a power cut. All data is lost. */
  kill(): void {
    for (const child of this.daemons) child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    const running = this.daemons.filter((child) => child.exitCode === null && child.signalCode === null);
    const ended = running.map((child) => once(child, 'exit'));
    this.kill();
    await Promise.all(ended);
    rmSync(this.dir, { recursive: true, force: true });
  }

  private get monitor(): string {
    return `v2:127.0.0.1:${this.monitorPort}`;
  }

  private get config(): string {
    return `[global]
fsid = ${this.fsid}
mon host = ${this.monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# The gateway would insist on encryption, which there is not without authentication.
ms mon client mode = crc
mon client hunt interval = 0.2
run dir = ${this.dir}
crash dir = ${join(this.dir, 'crash')}
log file = ${join(this.dir, 'tools.log')}
mon cluster log file = ${join(this.dir, 'cluster.log')}
admin socket =
pid file =

mon data = ${join(this.dir, 'mon')}
paxos propose interval = 0.02
paxos min wait = 0.01

osd data = ${join(this.dir, 'osd')}
osd objectstore = memstore
memstore device bytes = ${4 * 2 ** 30}
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0

rgw rados pool pg num min = 1
rgw data = ${join(this.dir, 'rgw')}
rgw thread pool size = 32
rgw frontends = beast endpoint=127.0.0.1:${this.port} tcp_nodelay=1
`;
  }

  private get env(): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '', HOME: this.dir, CEPH_CONF: join(this.dir, 'ceph.conf') };
  }

  private daemon(program: string, ...args: string[]): void {
    const log = join(this.dir, `${program}.log`);
    // The process dies with the test that started it, even when the test is killed.
    const command = ['--pdeathsig', 'KILL', program, '-f', '--log-file', log, ...args];
    const child = spawn('setpriv', command, { env: this.env, stdio: 'ignore' });
    child.once('exit', (code) => {
      const last = existsSync(log) ? readFileSync(log, 'utf8').slice(-1_000) : '';
      this.broken.abort(new Error(`${program} ended with ${code}: ${last}`));
    });
    this.daemons.push(child);
  }

  private async run(program: string, ...args: string[]): Promise<void> {
    const limits = { signal: this.broken.signal, timeout: BOOT_MS, killSignal: 'SIGKILL' } as const;
    const child = spawn(program, args, { env: this.env, ...limits });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
    const closed = once(child, 'close').catch((error: unknown) => {
      this.broken.signal.throwIfAborted();
      throw error;
    });
    const [code] = (await closed) as [number | null];
    if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${output}`);
  }

  private async answers(): Promise<boolean> {
    this.broken.signal.throwIfAborted();
    return fetch(this.endpoint, { signal: AbortSignal.timeout(1_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  }
}
