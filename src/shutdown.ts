// Handles SIGTERM and SIGINT: reports "not ready", finishes the requests in flight, closes the database last.
import { setTimeout as delay } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { HttpSettings } from './common/http/http.settings.js';
import type { AppConfig } from './shared/config/app-config.js';
import type { Database } from './shared/database/database-url.js';
import type { Connections } from './common/http/hooks/connections.js';
import { Sockets } from './realtime/socket/sockets.js';
import { Lifecycle } from './shared/lifecycle/lifecycle.js';
import { flush, type Logger } from './shared/logging/logger.js';
import { Worker } from './workers/engine/worker.js';

/** Filled while the start proceeds; a signal may arrive at any moment. */
export interface Opened {
  app?: NestFastifyApplication;
  connections?: Connections;
  database?: Database;
}

export function stopOnSignal(config: AppConfig, logger: Logger, opened: Opened): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1); // a second signal means: do not wait
    stopping = true;
    logger.info(`${signal}: stopping`);
    const { shutdownDelay, shutdownGrace } = config.get(HttpSettings);
    setTimeout(() => {
      logger.error(`Not stopped within ${shutdownGrace} ms: exit`);
      void flush(logger).finally(() => process.exit(1));
    }, shutdownDelay + shutdownGrace).unref();
    void stop(config, opened)
      .then(() => logger.info('Stopped'))
      .catch((error: unknown) => logger.error({ err: error }, 'Failed to stop the server'))
      .then(() => flush(logger))
      .finally(() => process.exit());
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
}

async function stop(config: AppConfig, { app, connections, database }: Opened): Promise<void> {
  if (app) {
    app.get(Lifecycle).drain();
    void app.get(Worker).stop(); // takes no new jobs; closing the application waits for the running ones
    connections?.drain();
    await delay(config.get(HttpSettings).shutdownDelay); // Kubernetes needs time to notice the probe and route traffic elsewhere
    await connections?.stopAccepting();
    await app.get(Sockets, { strict: false }).closeAll(); // with a code, before idle connections are destroyed
    const stopClosing = await connections?.closeIdle();
    await app.close().finally(stopClosing);
  }
  await database?.stop();
}
