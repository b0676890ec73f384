// The settings of one process by area, as frozen values.
import { readEnv } from './environment.js';
import { type Area, definedAreas, type Environment } from './settings.js';

/** Entry points ask it for an area's settings; providers inject the area itself. */
export class AppConfig {
  private readonly settings = new Map<Area<object>, object>();
  private readonly areas = new Set(definedAreas());

  /** Reads every area, so that a fault in any of them stops the start. Throws ConfigError. */
  constructor(private readonly environment: Environment) {
    for (const area of this.areas) this.get(area);
  }

  get<T extends object>(area: Area<T>): T {
    const key = area as unknown as Area<object>;
    if (!this.areas.has(key))
      throw new Error(`The settings "${area.title}" are declared after the environment was read. Import them earlier.`);
    const settings = this.settings.get(key) ?? deepFreeze(area.read(this.environment, (other) => this.get(other)));
    this.settings.set(key, settings);
    return settings as T;
  }

  /** Returns the settings of all areas, to be provided. */
  all(): ReadonlyMap<Area<object>, object> {
    return this.settings;
  }

  /** Returns one line for each setting that is allowed but dangerous, with the cure. */
  warnings(): string[] {
    return [...this.areas].flatMap((area) => area.warningsOf(this.get(area)));
  }
}

/** Reads and checks an environment (default: that of the process). Throws ConfigError. */
export function loadConfig(source?: NodeJS.ProcessEnv): AppConfig {
  return new AppConfig(readEnv(source));
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value))
    if (typeof member === 'object' && member !== null) deepFreeze(member as object);
  return Object.freeze(value);
}
