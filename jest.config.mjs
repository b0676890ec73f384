// Jest on ES modules: SWC compiles the specs as it compiles the sources, with the decorators' metadata that Nest reads.
// Some suites cover some of the sources, so the thresholds are asked of a run of all: one whose arguments choose none.
const CHOOSES = /^(?!-|\d+%?$)|^-(t|o|-test|-shard|-only|-changed)/;
const runsAll = !process.argv.slice(2).some((argument) => CHOOSES.test(argument));

export default {
  testMatch: ['<rootDir>/test/{unit,architecture,contracts,integration,e2e}/**/*.spec.ts'],
  // Jest's `require` of an ES module needs Node 24.9: what CommonJS packages require so is compiled to CommonJS here.
  transform: {
    '\\.ts$': '@swc/jest',
    'node_modules/(content-disposition|light-my-request/node_modules/cookie)/': '@swc/jest',
  },
  transformIgnorePatterns: ['/node_modules/(?!content-disposition/|light-my-request/|cookie/)'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1', // our imports name the compiled file
    '^@nestjs/throttler$': '<rootDir>/test/support/throttler.mjs',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
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
