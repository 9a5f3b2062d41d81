/** Checked values from a model's config.json. */
import { UserError } from "../base/errors.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { quote } from "../base/quote.ts";

/** Reads values; every method throws a UserError that names the file and the key. */
export interface ModelConfigReader {
  /** A whole number from 1 to 2^25, which no embedding's number of rows exceeds. */
  count(key: string, fallback: number): number;
  /** A number of layers, from 1 to 1,000. */
  layers(key: string, fallback: number): number;
  /** A number above 0. */
  positive(key: string, fallback: number): number;
  /** A number of at least 0. */
  notNegative(key: string, fallback: number): number;
  /** One of a few words. */
  choice<const C extends string>(key: string, choices: readonly C[]): C;
  /** Requires a value, which a missing key has by default. */
  only(key: string, value: JsonValue): void;
  /** Requires that a number divides another one. */
  divides(key: string, divisor: number, ofKey: string, number: number): void;
}

/** Makes a reader of a file's content. @param source The file's name in messages. */
export function modelConfigReader(json: JsonObject, source: string): ModelConfigReader {
  const fail = (key: string, value: JsonValue | undefined, wanted: string): never => {
    throw new UserError(`${source}: ${key} is ${quote(value ?? null)}, but must be ${wanted}`);
  };
  const countUpTo = (most: number) => (key: string, fallback: number) => {
    const value = json[key] ?? fallback;
    const sound = Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;
    return sound ? Number(value) : fail(key, value, `a whole number from 1 to ${most}`);
  };
  const isFinite = (value: JsonValue | undefined): value is number =>
    typeof value === "number" && Number.isFinite(value);
  return {
    count: countUpTo(2 ** 25),
    layers: countUpTo(1000),
    positive(key, fallback) {
      const value = json[key] ?? fallback;
      return isFinite(value) && value > 0 ? value : fail(key, value, "a number above 0");
    },
    notNegative(key, fallback) {
      const value = json[key] ?? fallback;
      return isFinite(value) && value >= 0 ? value : fail(key, value, "a number from 0 up");
    },
    choice(key, choices) {
      const value = choices.find((choice) => choice === json[key]);
      return value ?? fail(key, json[key], `one of ${choices.join(", ")}`);
    },
    only(key, value) {
      if ((json[key] ?? value) !== value) fail(key, json[key], `${quote(value)} to be used here`);
    },
    divides(key, divisor, ofKey, number) {
      if (number % divisor !== 0) fail(key, divisor, `a divisor of ${ofKey}, ${number}`);
    },
  };
}
