// After all suites: stops and removes what the global setup started.
export default async function globalTeardown() {
  await globalThis.testServer.stop();
}
