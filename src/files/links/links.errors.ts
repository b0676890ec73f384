// What is refused about links.
import { defineErrors } from '../../shared/libs/app-error.js';

export const LinkErrors = defineErrors('LINK', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: () => 'No such link.',
    cure: 'Check that the link was copied whole. One that was revoked before is not found either.',
  },
  GONE: {
    status: 410,
    level: 'debug',
    message: () => 'The link has expired or was revoked, or its file was changed or deleted.',
    cure: 'Ask the owner of the file for a new link.',
  },
});
