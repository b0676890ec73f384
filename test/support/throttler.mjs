// Loads @nestjs/throttler in Jest. It is CommonJS and requires Nest, which is ESM: Node can, but Jest only since Node 24.9.
import { readFileSync } from 'node:fs';
import * as asyncHooks from 'node:async_hooks';
import * as crypto from 'node:crypto';
import * as net from 'node:net';
import { join, resolve } from 'node:path';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';

const FOLDER = resolve('node_modules/@nestjs/throttler/dist');
const OTHERS = {
  '@nestjs/common': common,
  '@nestjs/core': core,
  async_hooks: asyncHooks,
  'node:crypto': crypto,
  net,
};
const loaded = new Map();

/** Runs the files of the package like Node, with the Nest instance of the tests. */
function load(name) {
  if (OTHERS[name]) return OTHERS[name];
  const file = `${join(FOLDER, name)}.js`;
  if (loaded.has(file)) return loaded.get(file).exports;
  const module = { exports: {} };
  loaded.set(file, module);
  new Function('exports', 'require', 'module', readFileSync(file, 'utf8'))(module.exports, load, module);
  return module.exports;
}

export const { InjectThrottlerOptions, ThrottlerModule } = load('index');
