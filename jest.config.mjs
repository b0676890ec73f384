// Jest on ES modules: SWC compiles the specs as it compiles the sources, with the decorators' metadata that Nest reads.
// Some suites cover some of the sources, so the thresholds are asked of a run of all: one whose arguments choose none.
const CHOOSES = /^(?!-|\d+%?$)|^-(t|o|-test|-shard|-only|-changed)/;
const runsAll = !process.argv.slice(2).some((argument) => CHOOSES.test(argument));

export default {
  testMatch: ['<rootDir>/test/{unit,architecture,contracts,integration,e2e}/**/*.spec.ts'],
  transform: { '\\.ts$': '@swc/jest' },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' }, // our imports name the compiled file
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  // Packages are loaded once for each worker, not once for each suite: that was a quarter of the CPU time of a run.
  testEnvironment: './test/support/jest/environment.cjs',
  runtime: '<rootDir>/test/support/jest/runtime.cjs',
  injectGlobals: false,
  cacheDirectory: 'node_modules/.cache/jest', // the temporary folder goes after each run
  maxWorkers: 3, // for two cores: most suites wait more than they compute, for timers and for processes that start
  workerIdleMemoryLimit: '1GB', // modules of suites that are over stay in memory: a process that has run fifty is slow
  testTimeout: 90_000, // an end for what hangs, not a measure: CI may be slow
  globalSetup: './test/support/global-setup.mjs',
  globalTeardown: './test/support/global-teardown.mjs',
  collectCoverageFrom: ['src/**/*.ts'],
  coverageProvider: 'v8',
  ...(runsAll && { coverageThreshold: { global: { statements: 75, branches: 75, functions: 75, lines: 75 } } }),
};
