// Settings that a module declares: typed values, validation together with all others, `.env.example`, injection.
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { loadConfig } from '../../src/shared/config/app-config.js';
import { printEnvExample } from '../../src/shared/config/env-example.js';
import { readEnv } from '../../src/shared/config/environment.js';
import { ProcessSettings } from '../../src/shared/config/process.settings.js';
import { together } from '../../src/shared/config/rules.js';
import { defineSettings } from '../../src/shared/config/settings.js';
import { choice, flag, integer, list, rate, seconds, text } from '../../src/shared/config/variables.js';
import { SharedModule } from '../../src/shared/shared.module.js';

const NoteSettings = defineSettings(
  'Notes',
  {
    quota: { notes: integer('NOTE_QUOTA', { min: 1, default: 100, doc: 'Maximum notes of one user' }) },
    ttl: seconds('NOTE_TTL', { min: 1, default: 60, doc: 'Lifetime of a note, seconds' }),
    color: choice('NOTE_COLOR', ['red', 'blue'], { doc: 'Color of new notes' }),
    order: choice('NOTE_ORDER', ['old', 'new'], { default: 'old', productionDefault: 'new', doc: 'Order of notes' }),
    isShared: flag('NOTE_SHARED', { default: false, doc: 'Shares notes' }),
    rate: rate('NOTE_RATE', { default: '5/10', doc: 'Limit of notes' }),
    tags: list('NOTE_TAGS', { accepts: (tag) => /^[a-z]+$/.test(tag), each: 'of a-z', doc: 'Tags, comma-separated' }),
    user: text('NOTE_USER', { doc: 'User of the note server' }),
    password: text('NOTE_PASSWORD', { doc: 'Password of that user' }),
  },
  {
    rules: [together('NOTE_USER', 'NOTE_PASSWORD')],
    derive: ({ user, password, ...values }, get) => ({
      ...values,
      login: user === undefined ? null : `${user}:${password}@${get(ProcessSettings).environment}`,
    }),
    warn: ({ isShared }) => (isShared ? ['NOTE_SHARED=true: everybody reads every note.'] : []),
  },
);
type NoteSettings = InstanceType<typeof NoteSettings>;

const notes = (env: Record<string, string> = {}): NoteSettings => loadConfig(env).get(NoteSettings);

describe('the settings of a module', () => {
  it('are the typed defaults in an empty environment', () => {
    expect(notes()).toEqual({
      quota: { notes: 100 },
      ttl: 60_000,
      color: undefined,
      order: 'old',
      isShared: false,
      rate: { quota: 5, window: 10 },
      tags: [],
      login: null,
    });
  });

  it('are the converted values of the variables', () => {
    const credentials = { NOTE_USER: 'ann', NOTE_PASSWORD: 'secret' };
    const env = { ...credentials, NODE_ENV: 'test', NOTE_QUOTA: '7', NOTE_TTL: '2', NOTE_COLOR: 'red' };
    expect(notes({ ...env, NOTE_SHARED: 'yes', NOTE_RATE: '1/2', NOTE_TAGS: ' a, b,', NOTE_ORDER: 'new' })).toEqual({
      quota: { notes: 7 },
      ttl: 2_000,
      color: 'red',
      order: 'new',
      isShared: true,
      rate: { quota: 1, window: 2 },
      tags: ['a', 'b'],
      login: 'ann:secret@test',
    });
  });

  it('have the default of production there, unless the variable is set', () => {
    expect(notes({ NODE_ENV: 'production' }).order).toBe('new');
    expect(notes({ NODE_ENV: 'production', NOTE_ORDER: 'old' }).order).toBe('old');
  });

  it('are validated together with those of all other modules, and with the rules of the module', () => {
    const faults = [
      'APP_ROLE must be one of [all, api, worker] (all, api (requests only) or worker (background jobs, and the probes))',
    ];
    expect(() =>
      readEnv({ NOTE_COLOR: 'pink', APP_ROLE: 'none', NOTE_QUOTA: '0', NOTE_TAGS: 'a,B', NOTE_PASSWORD: 'secret' }),
    ).toThrow(
      expect.objectContaining({
        faults: [
          ...faults,
          'NOTE_QUOTA must be greater than or equal to 1 (Maximum notes of one user)',
          'NOTE_COLOR must be one of [red, blue] (Color of new notes)',
          'NOTE_TAGS must list items that are each of a-z (Tags, comma-separated)',
          'NOTE_PASSWORD and NOTE_USER need each other; set both',
        ],
      }),
    );
  });

  it('are in .env.example, after those that come first', () => {
    expect(printEnvExample()).toMatch(/^# Copy to \.env .*\n\n## Process\n\n# development, test or production/);
    expect(printEnvExample().split('\n## Notes\n')[1]).toBe(
      `
# Maximum notes of one user
#NOTE_QUOTA=100
# Lifetime of a note, seconds
#NOTE_TTL=60
# Color of new notes
NOTE_COLOR=
# Order of notes. Default: old, in production new
NOTE_ORDER=
# Shares notes
#NOTE_SHARED=false
# Limit of notes, as <requests>/<seconds>
#NOTE_RATE=5/10
# Tags, comma-separated
NOTE_TAGS=
# User of the note server
NOTE_USER=
# Password of that user
NOTE_PASSWORD=
`,
    );
  });

  it('may cause a warning at the start', () => {
    expect(loadConfig({}).warnings()).toEqual([]);
    expect(loadConfig({ NOTE_SHARED: 'true' }).warnings()).toEqual(['NOTE_SHARED=true: everybody reads every note.']);
  });

  it('are injected by their own token, frozen', async () => {
    @Injectable()
    class NotesService {
      constructor(readonly settings: NoteSettings) {}
    }
    const shared = SharedModule.for(loadConfig({ NOTE_QUOTA: '3' }), pino({ enabled: false }));
    const module = await Test.createTestingModule({ imports: [shared], providers: [NotesService] }).compile();
    const { settings } = module.get(NotesService);
    expect(settings.quota).toEqual({ notes: 3 });
    expect([Object.isFrozen(settings), Object.isFrozen(settings.quota), Object.isFrozen(settings.tags)]).toEqual([
      true,
      true,
      true,
    ]);
  });
});

describe('a declaration is refused', () => {
  const doc = 'Any';

  it('when another module has a variable of the name, or it has the name twice', () => {
    const twin = 'is declared twice. Rename one of them.';
    const quota = integer('NOTE_QUOTA', { default: 1, doc });
    expect(() => defineSettings('Other notes', { quota })).toThrow(`The setting NOTE_QUOTA ${twin}`);
    expect(() => defineSettings('Other notes', { deep: { quota } })).toThrow(`The setting NOTE_QUOTA ${twin}`);
    const [a, b] = [text('NOTE_TWIN', { doc }), text('NOTE_TWIN', { doc })];
    expect(() => defineSettings('Other notes', { a, b })).toThrow(`The setting NOTE_TWIN ${twin}`);
    expect(printEnvExample()).not.toContain('Other notes');
  });

  it('when another module has the title', () => {
    const settings = { other: text('NOTE_OTHER', { doc }) };
    expect(() => defineSettings('Notes', settings)).toThrow('The settings "Notes" are declared twice.');
  });
});

it('settings that are declared after the environment was read are refused instead of unchecked', () => {
  const config = loadConfig({});
  const Late = defineSettings('Late notes', { quota: integer('LATE_QUOTA', { default: 1, doc: 'Any' }) });
  expect(() => config.get(Late)).toThrow(
    'The settings "Late notes" are declared after the environment was read. Import them earlier.',
  );
  expect(loadConfig({}).get(Late).quota).toBe(1);
});
