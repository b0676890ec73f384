// Lint: types checked, and the house rules that a reviewer should not have to repeat.
import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const time = {
  selector:
    "CallExpression[callee.object.name='Date'][callee.property.name='now'], NewExpression[callee.name='Date'][arguments.length=0]",
  message: 'Ask the Clock (src/shared/libs/clock.ts), so that tests can bend time.',
};
const environment = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Declare the setting with defineSettings (src/shared/config/settings.ts) and inject its area.',
};
const uncheckedInput = {
  name: '@nestjs/common',
  importNames: ['Body', 'Query'],
  message: 'They hand over input unchecked. Use JsonBody or QueryParams of common/decorators/input.decorator.ts.',
};
const save = {
  selector: "CallExpression[callee.property.name='save']",
  message: 'save() puts no version into its WHERE, so of two writers one is lost: change rows through BaseRepository.',
};
const focus = {
  selector: "CallExpression[callee.property.name='only'], CallExpression[callee.property.name='skip']",
  message:
    'The suite runs as a whole. What needs a service says so: `const suite = condition ? describe : describe.skip`.',
};

export default defineConfig(
  globalIgnores(['dist', 'coverage', '.data', '.yarn']),
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // Leaves files with decorators alone.
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-useless-constructor': 'error',
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }], // what was caught may be thrown on
      '@typescript-eslint/require-await': 'off', // Fastify hooks and overrides are async whether they wait or not
      '@typescript-eslint/return-await': ['error', 'in-try-catch'], // else the catch beside it never sees the failure
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-console': 'error',
    },
  },
  { files: ['src/**/*.ts'], rules: { 'no-restricted-syntax': ['error', time, environment, save] } },
  { files: ['src/**/*.controller.ts'], rules: { 'no-restricted-imports': ['error', { paths: [uncheckedInput] }] } },
  { files: ['src/shared/libs/clock.ts'], rules: { 'no-restricted-syntax': ['error', environment] } },
  {
    // The one reader of the environment, and the one that passes PATH on to PostgreSQL.
    files: ['src/shared/config/environment.ts', 'src/shared/database/embedded-postgres.place.ts'],
    rules: { 'no-restricted-syntax': ['error', time] },
  },
  // Commands talk to a terminal.
  { files: ['src/cli.ts', 'src/shared/database/data-source.ts'], rules: { 'no-console': 'off' } },
  { files: ['test/**/*.ts'], rules: { 'no-restricted-syntax': ['error', focus] } },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        clearInterval: 'readonly',
        console: 'readonly',
        fetch: 'readonly',
        performance: 'readonly',
        process: 'readonly',
        setInterval: 'readonly',
        URL: 'readonly',
      },
    },
  },
);
