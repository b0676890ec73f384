// SIGTERM and SIGINT: say "not ready", finish what is in flight, close the database last.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { AppConfig } from './shared/config/app-config.js';
import type { Database } from './shared/services/database/database-url.js';
import { Lifecycle } from './shared/services/lifecycle.js';
import { flush, type Logger } from './shared/services/logging/logger.js';
import { JobRunner } from './workers/job-runner.js';

/** Filled as the start goes on; a signal may come at any moment of it. */
export interface Opened {
  app?: NestFastifyApplication;
  connections?: Connections;
  database?: Database;
}

/** How often connections that have become idle are closed while others still work. */
const IDLE_CHECK_MS = 100;

/** Every connection of a server, from its beginning on. */
export class Connections {
  private readonly open = new Set<Socket>();

  constructor(private readonly server: Server) {
    server.on('connection', (socket) => this.open.add(socket.once('close', () => this.open.delete(socket))));
  }

  /** Those that never said a word too, as browsers open them in advance: Node itself spares them, and waits. */
  closeIdle(): void {
    this.server.closeIdleConnections();
    for (const socket of this.open) if (socket.bytesRead === 0) socket.destroy();
  }
}

export function stopOnSignal(config: AppConfig, logger: Logger, opened: Opened): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1); // whoever asks twice does not want to wait
    stopping = true;
    logger.info(`${signal}: stopping`);
    const { shutdownDelay, shutdownGrace } = config.http;
    setTimeout(() => {
      logger.error(`Not stopped within ${shutdownGrace} ms: exit`);
      void flush(logger).finally(() => process.exit(1));
    }, shutdownDelay + shutdownGrace).unref();
    void stop(config, opened)
      .then(() => logger.info('Stopped'))
      .catch((error: unknown) => logger.error({ err: error }, 'The stop failed'))
      .then(() => flush(logger))
      .finally(() => process.exit());
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
}

async function stop(config: AppConfig, { app, connections, database }: Opened): Promise<void> {
  if (app) {
    app.get(Lifecycle).drain();
    void app.get(JobRunner).stop(); // no new work; closing the application waits for it
    await delay(config.http.shutdownDelay); // Kubernetes needs a while to see the probe and send traffic elsewhere
    const idle = setInterval(() => connections?.closeIdle(), IDLE_CHECK_MS);
    await app.close().finally(() => clearInterval(idle));
  }
  await database?.stop();
}
