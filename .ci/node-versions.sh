#!/usr/bin/env bash
# Runs the quick suites and the smoke test on the other supported versions of Node, which the package registry provides.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
own_path=$PATH
for version in 22 24; do
  bin="$scratch/$version/node_modules/node/bin"
  npm install --silent --no-audit --no-fund --prefix "$scratch/$version" "node@$version" || true
  if [ ! -x "$bin/node" ]; then
    echo "Node $version: skipped, the registry does not provide it"
    continue
  fi
  export PATH="$bin:$own_path"
  echo "Node $(node --version)"
  node scripts/test.mjs test/unit test/architecture test/contracts test/e2e/tasks test/e2e/auth test/e2e/http
  node .ci/smoke.mjs
done
