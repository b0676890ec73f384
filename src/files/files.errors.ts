// What the files' room refuses.
import { defineErrors } from '../shared/libs/app-error.js';

export const FileErrors = defineErrors('FILE', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No file ${id}.`,
    cure: "Check the id. A deleted file, and someone else's, is not found either.",
  },
  TOO_LARGE: {
    status: 413,
    level: 'info',
    message: (maxBytes: number) => `The file is larger than ${maxBytes} bytes.`,
    cure: 'Send a smaller file, compressed or in parts; the operator sets the limit with FILE_MAX_SIZE.',
  },
});
