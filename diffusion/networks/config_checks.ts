/** Checks of a network's settings, which may come from a stranger's file and have any type. */
import { UserError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";

/** The largest size of anything: no embedding, image or layer is larger. */
const MOST = 2 ** 25;

/** Checks of settings by name; each refuses with a message that names the file and the setting. */
export interface ConfigChecks<Config> {
  /** Refuses. */
  readonly fail: (what: string) => never;
  /** Refuses settings that are no whole number from 1 to `most`; null where that is allowed. */
  readonly counts: (
    keys: readonly (keyof Config & string)[],
    options?: { readonly most?: number; readonly orNull?: boolean },
  ) => void;
  /** Refuses settings that are no number above 0. */
  readonly positive: (...keys: (keyof Config & string)[]) => void;
  /** Refuses settings that are neither true nor false. */
  readonly booleans: (...keys: (keyof Config & string)[]) => void;
}

/** Whether a value is a whole number from 1 to `most`. */
export function isCount(value: unknown, most = MOST): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;
}

/** Makes the checks of a configuration. @param where What to name in messages: a file, or "The UNet". */
export function configChecks<Config extends object>(
  config: Config,
  where: string,
): ConfigChecks<Config> {
  const fail = (what: string): never => {
    throw new UserError(`${where}: ${what}.`);
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
