// Runs the suites of a Jest worker in Node's own realm instead of a context for each, so that they can share packages.
const vm = require('node:vm');
const { ModernFakeTimers } = require('@jest/fake-timers');
const { ModuleMocker } = require('jest-mock');

/** Jest gives this to node:vm, whose functions would accept only a context: for Node's own realm they take none. */
const OWN_REALM = {};

for (const name of ['SourceTextModule', 'SyntheticModule']) {
  const Module = vm[name];
  vm[name] = class extends Module {
    constructor(...args) {
      super(...args.map((argument) => withoutOwnRealm('context', argument)));
    }
  };
}
const { compileFunction } = vm;
vm.compileFunction = (code, parameters, options) =>
  compileFunction(code, parameters, withoutOwnRealm('parsingContext', options));

function withoutOwnRealm(name, options) {
  return options[name] === OWN_REALM ? { ...options, [name]: undefined } : options;
}

module.exports = class OwnRealmEnvironment {
  global = globalThis;
  moduleMocker = new ModuleMocker(globalThis);
  fakeTimers = null; // the old kind

  constructor({ projectConfig }) {
    this.fakeTimersModern = new ModernFakeTimers({ config: projectConfig, global: globalThis });
  }

  async setup() {}

  /** Leaves the realm to the next suite as this one found it. Jest keeps its state of a suite in symbols of the global object. */
  async teardown() {
    this.moduleMocker.restoreAllMocks();
    this.fakeTimersModern.dispose();
    for (const symbol of Object.getOwnPropertySymbols(globalThis))
      if (/^(JEST_STATE|EVENT_HANDLERS|RETRY)/.test(symbol.description)) Reflect.deleteProperty(globalThis, symbol);
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  getVmContext() {
    return OWN_REALM;
  }
};
