// Error definitions of links.
import { defineErrors } from '../../shared/libs/app-error.js';

export const LinkErrors = defineErrors('LINK', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: () => 'No such link.',
    cure: 'Check that the link was copied whole. One that was revoked before is not found either.',
  },
  QUOTA_EXCEEDED: {
    status: 409,
    level: 'info',
    message: (quota: number) => `With this there would be more than ${quota} links to your files.`,
    cure: 'Revoke links that are not needed, or wait until some expire. The operator sets the limit with LINK_QUOTA.',
  },
  GONE: {
    status: 410,
    level: 'debug',
    message: () => 'The link has expired or was revoked, or its file was changed or deleted.',
    cure: 'Ask the owner of the file for a new link.',
  },
});
