// Swagger UI at /docs, as the setting DOCS allows. The page is empty until it has loaded /docs/openapi.json.
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { createOpenApi } from './app.openapi.js';
import { ApiDocument } from './common/http/docs/api-document.js';
import { DocsSettings } from './common/http/docs/docs.settings.js';
import type { AppConfig } from './shared/config/app-config.js';
import { ProcessSettings } from './shared/config/process.settings.js';

/** Replaces the document, which Nest would otherwise embed in a script that anybody can read. */
const NOTHING = {} as OpenAPIObject;

export function addDocs(app: NestFastifyApplication, config: AppConfig): void {
  const { audience } = config.get(DocsSettings);
  const { version } = config.get(ProcessSettings);
  if (audience === 'off') return;
  app.get(ApiDocument, { strict: false }).createWith(() => createOpenApi(app, version));
  SwaggerModule.setup('docs', app, NOTHING, {
    raw: false,
    customSiteTitle: 'Holdfast API',
    swaggerUrl: '/docs/openapi.json',
    swaggerOptions: {
      spec: null, // otherwise the page would use NOTHING as the document
      persistAuthorization: false, // any script and the browser's next user could read a token in localStorage
      displayRequestDuration: true,
      tagsSorter: 'alpha', // in the order of the paths the routes of operators would come first
      ...(audience === 'admin' && { requestInterceptor: askForToken }),
    },
  });
}

/** Creates the document at the start in production: that blocks the process for some tenths of a second. */
export async function prepareDocs(app: NestFastifyApplication, config: AppConfig): Promise<void> {
  const { environment, role } = config.get(ProcessSettings);
  if (environment !== 'production' || role === 'worker' || config.get(DocsSettings).audience === 'off') return;
  await app.get(ApiDocument, { strict: false }).encodedAs('identity');
}

interface BrowserRequest {
  /** True for the request that loads the document. */
  loadSpec?: boolean;
  headers: Record<string, string>;
}

/** Runs in the browser: its source text is copied into a script, so it can use nothing of this file. Stores no token. */
function askForToken(request: BrowserRequest): BrowserRequest {
  const { prompt } = globalThis as unknown as { prompt: (question: string) => string | null };
  if (request.loadSpec) {
    const token = prompt('The access token of an administrator (POST /api/auth/login):');
    if (token) request.headers['Authorization'] = `Bearer ${token.trim()}`;
  }
  return request;
}
