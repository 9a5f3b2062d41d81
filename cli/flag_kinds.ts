/** The kinds of flags that a program can have: what each takes and how it is read. */

/** What a flag takes, how its text becomes a value, and what `--help` says of it. */
export interface Flag<T> {
  /** What it takes, in one word. A toggle takes nothing. */
  readonly kind: "number" | "integer" | "integers" | "choice" | "text" | "toggle";
  /** What the value is for: a lower-case phrase. */
  readonly help: string;
  /** What stands for the value in `--help`, such as `N`. */
  readonly placeholder: string;
  /** Which values are allowed, to follow "must be": `an integer of at least 1`. */
  readonly allowed: string;
  /** The values, where they can be listed. */
  readonly choices: readonly string[];
  /** The value that a text stands for; undefined where it is not allowed. */
  readonly read: (text: string) => T | undefined;
}

/** Flags in groups: the headings of `--help`, and under each the flags by their camelCase names. */
export type FlagGroups = Readonly<Record<string, Readonly<Record<string, Flag<unknown>>>>>;

/** Every flag's value by its name, whatever group it is in. */
export type FlagValues<G extends FlagGroups> = {
  [K in NameIn<G[keyof G]>]: ValueIn<G[keyof G], K>;
};

/**
 * The names of all groups.
 * @internal
 */
type NameIn<Group> = Group extends unknown ? Extract<keyof Group, string> : never;

/**
 * The value of the flag of that name in whichever group has it.
 * @internal
 */
type ValueIn<Group, K extends string> = Group extends Record<K, Flag<infer T>> ? T : never;

/** What every kind of flag is described by. */
export interface FlagOptions {
  /** What the value is for: a lower-case phrase. */
  help: string;
  /** What stands for the value in `--help`, instead of the kind's own `N`, `X` or `TEXT`. */
  placeholder?: string;
}

/** The range of a number. Without a limit there is none on that side. */
export interface Range {
  /** The smallest value. */
  min?: number;
  /** The largest value. */
  max?: number;
  /** A limit that itself is too small. */
  above?: number;
  /** A limit that itself is too large. */
  below?: number;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function readNumber(text: string, range: Range): number | undefined {
  if (!NUMBER.test(text)) return undefined; // Number() would take "", " 1", "0x10" and "Infinity" too
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = range;
  const value = Number(text);
  const inside = value >= min && value <= max && value > above && value < below;
  return inside && Number.isFinite(value) ? value : undefined;
}

function readInteger(text: string, range: Range): number | undefined {
  const value = readNumber(text, range);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** "a number" with its range: "a number from 0 to 1". */
function describe(what: string, { min, max, above, below }: Range): string {
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`;
  const low = min !== undefined
    ? `of at least ${min}`
    : above !== undefined
    ? `above ${above}`
    : "";
  const high = max !== undefined
    ? `of at most ${max}`
    : below !== undefined
    ? `below ${below}`
    : "";
  return [what, [low, high].filter(Boolean).join(" and ")].filter(Boolean).join(" ");
}

/**
 * A flag that takes a number in decimal notation, `1e-4` included.
 *
 * @example
 * ```ts ignore
 * const eta = number({ min: 0, max: 1, help: "noise of DDIM" });
 * ```
 */
export function number({ help, placeholder = "X", ...range }: FlagOptions & Range): Flag<number> {
  const allowed = describe("a number", range);
  const read = (text: string) => readNumber(text, range);
  return { kind: "number", help, placeholder, allowed, choices: [], read };
}

/** A flag that takes an integer. Its range ends at 2^53 - 1, where numbers stop being exact. */
export function integer({ help, placeholder = "N", ...range }: FlagOptions & Range): Flag<number> {
  const allowed = describe("an integer", range);
  const read = (text: string) => readInteger(text, range);
  return { kind: "integer", help, placeholder, allowed, choices: [], read };
}

/** A flag that takes one or more integers, separated by commas: `32,64,64`. */
export function integers(
  { help, placeholder = "N,N,...", ...range }: FlagOptions & Range,
): Flag<number[]> {
  const allowed = describe("comma-separated integers, each", range);
  const read = (text: string) => {
    const values = text.split(",").map((part) => readInteger(part.trim(), range));
    return values.every((value) => value !== undefined) ? values : undefined;
  };
  return { kind: "integers", help, placeholder, allowed, choices: [], read };
}

/** A flag that takes one of a few words. */
export function choice<const C extends string>(
  choices: readonly C[],
  { help, placeholder = "NAME" }: FlagOptions,
): Flag<C> {
  const read = (text: string) => choices.find((word) => word === text);
  const allowed = `one of ${choices.join(", ")}`;
  return { kind: "choice", help, placeholder, allowed, choices, read };
}

/** A flag that takes any text but an empty one, such as a folder's name. */
export function text({ help, placeholder = "TEXT" }: FlagOptions): Flag<string> {
  const allowed = "any text but an empty one";
  const read = (value: string) => value === "" ? undefined : value;
  return { kind: "text", help, placeholder, allowed, choices: [], read };
}

/** A flag that is on when it is given, and off after `--no-`. */
export function toggle({ help }: Omit<FlagOptions, "placeholder">): Flag<boolean> {
  const allowed = "true or false";
  const choices = ["true", "false"];
  const read = (text: string) => choices.includes(text) ? text === "true" : undefined;
  return { kind: "toggle", help, placeholder: "", allowed, choices, read };
}
