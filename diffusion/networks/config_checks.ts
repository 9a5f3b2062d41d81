/** Checks of a network's settings, which may come from an untrusted file and have any type. */
import { UserError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";

/** The largest size of an embedding, an image or a layer. */
const MOST = 2 ** 25;

/** Whether a value is a whole number from 1 to `most`. */
export function isCount(value: unknown, most = MOST): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;
}

/**
 * Checks of a configuration's settings by name. They throw errors whose subject is `where`: a file, or
 * "The UNet".
 */
export function configChecks<Config extends object>(config: Config, where: string) {
  type Key = keyof Config & string;
  const fail = (problem: string): never => {
    throw new UserError(`${where}: ${problem}.`);
  };
  const refuse = (key: Key, use: string) => {
    const value: unknown = config[key];
    fail(`${key} is ${typeof value === "number" ? value : quote(value)}; use ${use}`);
  };
  return {
    fail,
    /** Whole numbers from 1 to `most`, or null if allowed. */
    counts(keys: readonly Key[], { most = MOST, orNull = false } = {}) {
      for (const key of keys) {
        if (isCount(config[key], most) || orNull && config[key] === null) continue;
        refuse(key, `a whole number from 1 to ${most}${orNull ? ", or null" : ""}`);
      }
    },
    positive(...keys: Key[]) {
      for (const key of keys) {
        const value: unknown = config[key];
        if (Number.isFinite(value) && Number(value) > 0) continue;
        refuse(key, "a number above 0");
      }
    },
    oneOf(key: Key, values: readonly unknown[]) {
      if (!values.includes(config[key])) {
        refuse(
          key,
          values.map((value) => quote(value)).join(" or "),
        );
      }
    },
    booleans(...keys: Key[]) {
      for (const key of keys) {
        if (typeof config[key] !== "boolean") refuse(key, "true or false");
      }
    },
  };
}
