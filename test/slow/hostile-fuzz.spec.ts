// Sends two thousand almost valid requests to every route of the OpenAPI document: no server error, no undocumented response.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { Task } from '../support/http/api.js';
import { damageRequest } from '../support/fuzz/fuzz.js';
import { type Operation, readOperations } from '../support/http/openapi.js';
import { type Catalogue, faultsOf, readCatalogue } from '../support/problems.js';
import { below, pick, seeded } from '../support/fuzz/random.js';
import { send } from '../support/http/raw-http.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(600_000);

/** Other seeds and numbers find other faults: `FUZZ_SEED=7 FUZZ_REQUESTS=20000 npm run test:slow -- hostile-fuzz`. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 2_000);
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 2_000);
const AT_ONCE = 16;

let server: TestServer;
let catalogue: Catalogue;
let operations: Operation[];
beforeAll(async () => {
  server = await startServer({ REQUEST_TIMEOUT: '60000' });
  catalogue = await readCatalogue(server.api);
  operations = await readOperations(server.api);
});
afterAll(() => server.close());

/** An administrator and two users, who lose their sessions during the run by logouts, new passwords and deletion. */
class Callers {
  private readonly people = new Map<number, Person>();
  private ids: string[] = ['01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11'];

  get idsOfRows(): readonly string[] {
    return this.ids;
  }

  async get(place: number): Promise<Person> {
    const known = this.people.get(place);
    if (known) return known;
    const person = place === 0 ? await server.makeAdmin() : await server.registerUser();
    const { body } = await person.api.post<Task>('/api/tasks', { title: 'Bait' });
    this.ids = [body.id, person.user.id, ...this.ids].slice(0, 12);
    this.people.set(place, person);
    return person;
  }

  async replaceLoggedOut(): Promise<void> {
    for (const [place, { api }] of this.people)
      if ((await api.get('/api/profile')).status === 401) this.people.delete(place);
  }
}

it(`${REQUESTS} almost valid requests get only documented responses`, async () => {
  const random = seeded(SEED);
  const callers = new Callers();
  const faults: string[] = [];
  const statuses = new Map<number, number>();
  for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
    const people = [await callers.get(0), await callers.get(1), await callers.get(2)];
    let refused = false;
    const batch = Array.from({ length: AT_ONCE }, async () => {
      const request = damageRequest(random, pick(random, operations), callers.idsOfRows);
      const token = pick(random, people).accessToken;
      if (below(random, 10) > 0) request.headers = { authorization: `Bearer ${token}`, ...request.headers };
      const answer = await send(server.port, request);
      refused ||= answer.status === 401;
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      const sent = JSON.stringify({ ...request, body: request.body?.toString().slice(0, 300) });
      faults.push(
        ...faultsOf(answer, catalogue, request.method).map((fault) => `${fault}\n  after ${sent.slice(0, 1_000)}`),
      );
    });
    await Promise.all(batch);
    if (refused) await callers.replaceLoggedOut();
  }
  expect(faults).toEqual([]);
  expect(server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  // The generator is useful only while its requests cause every one of these statuses.
  const reached = [200, 201, 204, 304, 400, 401, 403, 404, 409, 412, 415].filter((status) => statuses.has(status));
  expect(reached).toEqual([200, 201, 204, 304, 400, 401, 403, 404, 409, 412, 415]);
  expect((await server.api.get('/health/ready')).status).toBe(200);
  await callers.replaceLoggedOut(); // after the last batch
  expect((await (await callers.get(1)).api.get('/api/tasks')).status).toBe(200);
});
