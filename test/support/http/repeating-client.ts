// A client that repeats a request on one connection until it fails, and counts the responses.
import { Agent, get } from 'node:http';

export class RepeatingClient {
  readonly answers: Array<{ status: number | undefined; connection: string | undefined }> = [];
  /** The error that ended the client. */
  readonly ended: Promise<string>;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(
    private readonly port: number,
    private readonly path = '/health/ready',
  ) {
    this.ended = this.run();
  }

  private async run(): Promise<string> {
    try {
      for (;;) await this.ask();
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    } finally {
      this.agent.destroy();
    }
  }

  private ask(): Promise<void> {
    const { agent, port, path } = this;
    return new Promise((resolve, reject) => {
      get({ agent, host: '127.0.0.1', port, path }, (answer) => {
        answer.resume().on('error', reject);
        answer.on('end', () => {
          this.answers.push({ status: answer.statusCode, connection: answer.headers.connection });
          resolve();
        });
      }).on('error', reject);
    });
  }
}
