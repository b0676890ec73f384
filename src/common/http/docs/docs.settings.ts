// Settings of the OpenAPI document.
import { defineSettings } from '../../../shared/config/settings.js';
import { choice } from '../../../shared/config/variables.js';

export const DocsSettings = defineSettings('API documentation', {
  audience: choice('DOCS', ['on', 'admin', 'off'], {
    default: 'on',
    productionDefault: 'admin',
    doc: 'Swagger UI and the OpenAPI document at /docs: on (public), admin (the page asks for an access token of an administrator) or off',
  }),
});
export type DocsSettings = InstanceType<typeof DocsSettings>;
