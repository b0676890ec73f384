// Loads packages by Node's own loader, once for all suites of a Jest worker; Jest's loader would do so for each suite.
const { sep } = require('node:path');
const vm = require('node:vm');
const { default: JestRuntime } = require('jest-runtime');

const PACKAGES = `${sep}node_modules${sep}`;

module.exports = class Runtime extends JestRuntime {
  constructor(...args) {
    super(...args);
    const { esmLoader } = this;
    const original = esmLoader.buildCjsAsEsmSyntheticModule.bind(esmLoader);
    esmLoader.buildCjsAsEsmSyntheticModule = (from, path, context) =>
      path.includes(PACKAGES) ? wrap(require(path), path, context) : original(from, path, context);
  }

  /** Jest then builds a module around what `require` returns; Node's `require` takes ES modules, too. */
  unstable_shouldLoadAsEsm(path) {
    return !path.includes(PACKAGES) && super.unstable_shouldLoadAsEsm(path);
  }
};

function wrap(exported, identifier, context) {
  const isEsm = Object.prototype.toString.call(exported) === '[object Module]';
  const names = Object.keys(exported).filter((name) => name !== 'default' && name !== 'module.exports');
  return new vm.SyntheticModule(
    [...names, 'default', 'module.exports'],
    function () {
      for (const name of names) this.setExport(name, exported[name]);
      this.setExport('default', isEsm ? exported.default : exported);
      this.setExport('module.exports', exported);
    },
    { identifier, context },
  );
}
