// An S3 server as a separate process: it prints its free port, stores objects in a folder, and ends with its parent.
import S3rver from 's3rver';

const [directory, bucket] = process.argv.slice(2);
const server = new S3rver({
  ...{ directory, port: 0, address: '127.0.0.1', silent: true },
  configureBuckets: [{ name: bucket }],
});
const { port } = await server.run();
process.stdout.write(`${port}\n`);
process.stdin.resume().once('end', () => process.exit());
