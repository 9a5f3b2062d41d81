/** The kinds of flags: number, integer, list of integers, choice, text, toggle. */

/** A flag: the values that it takes, how a value is read from the command line, and its help text. */
export interface Flag<T> {
  /** The kind of value. A toggle takes no value: it is on when given. */
  readonly kind: "number" | "integer" | "integers" | "choice" | "text" | "toggle";
  /** A lower-case phrase. */
  readonly help: string;
  /** The name of the value in `--help`, such as `N`. */
  readonly placeholder: string;
  /** The range of a number, such as `at least 1`; empty where there is none. */
  readonly range: string;
  /** The allowed values, for error messages: "must be" `an integer of at least 1`. */
  readonly allowed: string;
  /** The values of a choice or a toggle. */
  readonly choices: readonly string[];
  /** What each choice means, for `--help`. */
  readonly meanings?: Readonly<Record<string, string>> | undefined;
  /** Reads a value; undefined if it is not allowed. */
  readonly read: (text: string) => T | undefined;
}

/** The headings of `--help`, and under each its flags by their camelCase names. */
export type FlagGroups = Readonly<Record<string, Readonly<Record<string, Flag<unknown>>>>>;

/** The values of all flags by their camelCase names. */
export type FlagValues<G extends FlagGroups> = {
  [K in NameIn<G[keyof G]>]: ValueIn<G[keyof G], K>;
};

type NameIn<Group> = Group extends unknown ? Extract<keyof Group, string> : never;

/** The value of the flag K of a union of groups. */
type ValueIn<Group, K extends string> = Group extends Record<K, Flag<infer T>> ? T : never;

interface FlagOptions {
  help: string;
  /** By default `N`, `X`, `NAME` or `TEXT`, by the kind. */
  placeholder?: string;
}

/** The range of a number. */
export interface Range {
  min?: number | undefined;
  max?: number | undefined;
  /** Exclusive, as is `below`. */
  above?: number | undefined;
  below?: number | undefined;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function readNumber(text: string, range: Range): number | undefined {
  if (!NUMBER.test(text)) return undefined; // Number() would accept "", " 1", "0x10" and "Infinity"
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = range;
  const value = Number(text);
  const inside = value >= min && value <= max && value > above && value < below;
  return inside && Number.isFinite(value) ? value : undefined;
}

function readInteger(text: string, range: Range): number | undefined {
  const value = readNumber(text, range);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A range in words: "from 0 to 1", "at least 1", "above 0 and at most 1". */
function describeRange({ min, max, above, below }: Range): string {
  if (min !== undefined && max !== undefined) return `from ${min} to ${max}`;
  return [
    min === undefined ? "" : `at least ${min}`,
    above === undefined ? "" : `above ${above}`,
    max === undefined ? "" : `at most ${max}`,
    below === undefined ? "" : `below ${below}`,
  ].filter((limit) => limit !== "").join(" and ");
}

/** A flag that takes numbers. `what` is the kind of number in messages. */
function numeric<T>(
  kind: Flag<T>["kind"],
  what: string,
  { help, placeholder, ...limits }: FlagOptions & Range & { placeholder: string },
  read: (text: string, limits: Range) => T | undefined,
): Flag<T> {
  const range = describeRange(limits);
  const allowed = `${what}${range.startsWith("at ") ? " of " : " "}${range}`.trim();
  return {
    kind,
    help,
    placeholder,
    range,
    allowed,
    choices: [],
    read: (text) => read(text, limits),
  };
}

/**
 * A flag that takes a number in decimal notation, such as 0.5 or 1e-4.
 *
 * @example
 * ```ts ignore
 * const eta = number({ min: 0, max: 1, help: "noise of DDIM" });
 * ```
 */
export function number(options: FlagOptions & Range): Flag<number> {
  return numeric("number", "a number", { placeholder: "X", ...options }, readNumber);
}

/** A flag that takes an integer of at most 2^53 - 1: larger ones are not exact in a float64. */
export function integer(options: FlagOptions & Range): Flag<number> {
  return numeric("integer", "an integer", { placeholder: "N", ...options }, readInteger);
}

/** A flag that takes integers separated by commas: `32,64,64`. The range is that of each integer. */
export function integers(options: FlagOptions & Range): Flag<number[]> {
  const what = "comma-separated integers, each";
  return numeric("integers", what, { placeholder: "N,N,...", ...options }, (text, limits) => {
    const values = text.split(",").map((part) => readInteger(part.trim(), limits));
    return values.every((value) => value !== undefined) ? values : undefined;
  });
}

/** A flag that takes one of some names. `meanings` explains each name in `--help`. */
export function choice<const C extends string>(
  choices: readonly C[],
  { help, placeholder = "NAME", meanings }: FlagOptions & {
    meanings?: Readonly<Record<C, string>> | undefined;
  },
): Flag<C> {
  const read = (text: string) => choices.find((name) => name === text);
  const allowed = `one of ${choices.join(", ")}`;
  return { kind: "choice", help, placeholder, range: "", allowed, choices, meanings, read };
}

/** The placeholders of paths. */
const PATHS: readonly string[] = ["DIR", "FILE"];

/**
 * A flag that takes any text except an empty one, such as the name of a folder. A path may not begin with
 * `~`: a shell expands it after a space and not after `=`, and it would name a folder `~`.
 */
export function text({ help, placeholder = "TEXT" }: FlagOptions): Flag<string> {
  const isPath = PATHS.includes(placeholder);
  const allowed = isPath ? "a path that does not begin with ~" : "any text except an empty one";
  const read = (value: string) =>
    value === "" || isPath && /^~(\/|$)/.test(value) ? undefined : value;
  return { kind: "text", help, placeholder, range: "", allowed, choices: [], read };
}

/** A flag that is on as `--name` and off as `--no-name`. */
export function toggle({ help }: Pick<FlagOptions, "help">): Flag<boolean> {
  const allowed = "true or false";
  const choices = ["true", "false"];
  const read = (text: string) => choices.includes(text) ? text === "true" : undefined;
  return { kind: "toggle", help, placeholder: "", range: "", allowed, choices, read };
}

/** A name as it is written on the command line: `learningRate` becomes `learning-rate`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
