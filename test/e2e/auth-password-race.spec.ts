// Checks a password change and logins with the old password at the same moment.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Tokens } from '../support/http/api.js';
import { PASSWORD, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

it('a session opened with the old password does not survive a password change at the same moment', async () => {
  let opened = 0;
  for (let round = 0; round < 8; round++) {
    const { email, api } = await server.registerUser();
    const change = api.post('/api/auth/password', { currentPassword: PASSWORD, newPassword: `${PASSWORD} ${round}` });
    const logins = await Promise.all(
      [1, 2, 3].map(() => server.api.post<Tokens>('/api/auth/login', { email, password: PASSWORD })),
    );
    expect(await change).toMatchObject({ status: 204 });
    for (const { status, body } of logins.filter((login) => login.status === 200)) {
      opened += status === 200 ? 1 : 0;
      expect((await server.api.as(body.accessToken).get('/api/profile')).status).toBe(401);
    }
  }
  expect(opened).toBeGreaterThan(0); // otherwise the race did not happen
});
