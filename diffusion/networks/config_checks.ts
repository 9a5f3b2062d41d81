/** Checks of a network's settings, which may come from an untrusted file and have any type. */
import { UserError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";

/** The largest size of an embedding, an image or a layer. */
const MOST = 2 ** 25;

/** Checks of settings by name. Errors name the file and the setting. */
export interface ConfigChecks<Config> {
  /** Throws an error about the configuration. */
  readonly fail: (problem: string) => never;
  /** Throws unless the settings are whole numbers from 1 to `most`, or null if allowed. */
  readonly counts: (
    keys: readonly (keyof Config & string)[],
    options?: { readonly most?: number; readonly orNull?: boolean },
  ) => void;
  /** Throws unless the settings are numbers above 0. */
  readonly positive: (...keys: (keyof Config & string)[]) => void;
  /** Throws unless the settings are true or false. */
  readonly booleans: (...keys: (keyof Config & string)[]) => void;
}

/** Whether a value is a whole number from 1 to `most`. */
export function isCount(value: unknown, most = MOST): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;
}

/**
 * The checks of a configuration.
 *
 * @param where The subject of error messages: a file, or "The UNet".
 */
export function configChecks<Config extends object>(
  config: Config,
  where: string,
): ConfigChecks<Config> {
  const fail = (problem: string): never => {
    throw new UserError(`${where}: ${problem}.`);
  };
  const refuse = (key: keyof Config & string, use: string) => {
    const value: unknown = config[key];
    return fail(`${key} is ${typeof value === "number" ? value : quote(value)}; use ${use}`);
  };
  return {
    fail,
    counts(keys, { most = MOST, orNull = false } = {}) {
      for (const key of keys) {
        if (isCount(config[key], most) || orNull && config[key] === null) continue;
        refuse(key, `a whole number from 1 to ${most}${orNull ? ", or null" : ""}`);
      }
    },
    positive(...keys) {
      for (const key of keys) {
        const value: unknown = config[key];
        if (Number.isFinite(value) && Number(value) > 0) continue;
        refuse(key, "a number above 0");
      }
    },
    booleans(...keys) {
      for (const key of keys) {
        if (typeof config[key] !== "boolean") refuse(key, "true or false");
      }
    },
  };
}
