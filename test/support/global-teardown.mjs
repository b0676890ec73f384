// Stops and removes everything that the global setup started, after all suites.
export default async function globalTeardown() {
  await globalThis.testServer.stop();
}
