// Error definitions of users.
import { defineErrors } from '../shared/libs/app-error.js';

export const UserErrors = defineErrors('USER', {
  NOT_FOUND: {
    status: 404,
    level: 'debug',
    message: (id: string) => `No user ${id}.`,
    cure: 'Check the id. A deleted account, and one that you may not see, is not found either.',
  },
  EMAIL_TAKEN: {
    status: 409,
    level: 'info',
    message: () => 'This e-mail address belongs to another account.',
    cure: 'Log in with it, or use another address.',
  },
  USERNAME_TAKEN: {
    status: 409,
    level: 'info',
    message: () => 'This username belongs to another account.',
    cure: 'Choose another username; case makes no difference.',
  },
  NAMELESS: {
    status: 400,
    level: 'debug',
    message: () => 'A user needs an email or a username.',
    cure: 'Send at least one of `email` and `username`.',
  },
  LAST_ADMIN: {
    status: 409,
    level: 'info',
    message: () => 'This is the last administrator.',
    cure: 'Make another user ADMIN first.',
  },
  PASSWORD_TOO_LONG: {
    status: 400,
    level: 'debug',
    message: () => 'The password is longer than 72 bytes.',
    cure: 'This server hashes with bcrypt, which reads 72 bytes (UTF-8): choose a shorter password.',
  },
  IMPORT_NOT_UTF8: {
    status: 422,
    level: 'info',
    message: () =>
      'The file is not UTF-8: save it as "CSV UTF-8", or send "encoding": "windows-1252" with the job. No user was added.',
    cure: 'Save it as "CSV UTF-8", or add its `encoding` to the payload: windows-1252 (what Excel saves as CSV in Western Europe), latin1, utf-16le or utf-16be.',
  },
  IMPORT_ENCODING: {
    status: 422,
    level: 'info',
    message: (encoding: string) => `The file is not ${encoding}, which it should be. No user was added.`,
    cure: 'Send the `encoding` that the file was saved in, or save it as "CSV UTF-8" and send none. A byte order mark decides, whatever is sent.',
  },
  IMPORT_HEADER: {
    status: 422,
    level: 'info',
    message: (fault: string) => `The header cannot be used: ${fault}. No user was added.`,
    cure: 'The first line names the columns: email, username, name, age, hobbies, in any order, with commas, semicolons, tabs or | between them.',
  },
  IMPORT_TOO_LONG: {
    status: 422,
    level: 'info',
    message: (max: number) => `The file has more than ${max} rows. No user was added.`,
    cure: 'Divide it into several files, each with the header, and import one after the other.',
  },
});
