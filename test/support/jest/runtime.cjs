// Loads packages by Node's own loader, once for all suites of a Jest worker; Jest's loader would do so for each suite.
const { sep } = require('node:path');
const vm = require('node:vm');
const { default: JestRuntime } = require('jest-runtime');

const isInPackage = (path) => path.includes(`${sep}node_modules${sep}`);

/** Makes Jest take each file of a package for CommonJS, around which it builds a module; Node's `require` takes ES modules, too. */
module.exports = class Runtime extends JestRuntime {
  constructor(...args) {
    super(...args);
    const { esmLoader } = this;
    const build = esmLoader.buildCjsAsEsmSyntheticModule.bind(esmLoader);
    const hasEsmSyntax = esmLoader.pendingCjsBuildIsUnmarkedEsm.bind(esmLoader); // asked with Node 22.21 and 24.9 or newer
    esmLoader.buildCjsAsEsmSyntheticModule = (from, path, context) =>
      isInPackage(path) ? wrap(require(path), path, context) : build(from, path, context);
    esmLoader.pendingCjsBuildIsUnmarkedEsm = (file) => !isInPackage(file.modulePath) && hasEsmSyntax(file);
  }

  unstable_shouldLoadAsEsm(path) {
    return !isInPackage(path) && super.unstable_shouldLoadAsEsm(path);
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
