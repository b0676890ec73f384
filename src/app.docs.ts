// Swagger UI at /docs, as far as the setting DOCS goes. The page is empty until it has read /docs/openapi.json.
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { createOpenApi } from './app.openapi.js';
import { ApiDocument } from './common/http/docs/api-document.js';
import type { AppConfig } from './shared/config/app-config.js';

/** In place of the document, which Nest would write into a script for anybody to read. */
const NOTHING = {} as OpenAPIObject;

export function addDocs(app: NestFastifyApplication, { docs, version }: AppConfig): void {
  if (docs === 'off') return;
  app.get(ApiDocument, { strict: false }).createWith(() => createOpenApi(app, version));
  SwaggerModule.setup('docs', app, NOTHING, {
    raw: false,
    customSiteTitle: 'Holdfast API',
    swaggerUrl: '/docs/openapi.json',
    swaggerOptions: {
      spec: null, // or the page would take NOTHING for it
      persistAuthorization: false, // a token in localStorage is there for every script, and for who uses the browser next
      displayRequestDuration: true,
      ...(docs === 'admin' && { requestInterceptor: askForToken }),
    },
  });
}

/** Making the document blocks the process for some tenths of a second: in production not while it serves. */
export async function prepareDocs(app: NestFastifyApplication, config: AppConfig): Promise<void> {
  if (config.environment !== 'production' || config.role === 'worker' || config.docs === 'off') return;
  await app.get(ApiDocument, { strict: false }).encodedAs('identity');
}

interface BrowserRequest {
  /** It reads the document. */
  loadSpec?: boolean;
  headers: Record<string, string>;
}

/** Runs in the browser, where its text is written into a script: it can use nothing of this file. Keeps no token. */
function askForToken(request: BrowserRequest): BrowserRequest {
  const { prompt } = globalThis as unknown as { prompt: (question: string) => string | null };
  if (request.loadSpec) {
    const token = prompt('The access token of an administrator (POST /api/auth/login):');
    if (token) request.headers['Authorization'] = `Bearer ${token.trim()}`;
  }
  return request;
}
