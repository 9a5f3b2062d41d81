/**
 * Typed flags. A program writes them down once, in groups, and reads from them its command line, its
 * `--help` and what it refuses:
 *
 * ```ts ignore
 * const FLAGS = {
 *   "Training": {
 *     steps: integer({ min: 1, help: "optimizer steps" }),
 *     learningRate: number({ above: 0, help: "the rate after warm-up" }),
 *   },
 *   "Sampling": {
 *     sampler: choice(["ddpm", "ddim"], { help: "how noise is taken away" }),
 *   },
 * };
 * const given = parseFlags(Deno.args, FLAGS); // { steps?: number, sampler?: "ddpm" | "ddim", ... }
 * const config = resolveConfig(PRESETS.nano, given);
 * ```
 *
 * Names are camelCase in code and kebab-case on the command line.
 */
import { parseArgs } from "@std/cli/parse-args";
import { distance } from "fastest-levenshtein";
import { usageError, UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import type { Flag, FlagGroups, FlagValues } from "./flag_kinds.ts";

export * from "./flag_kinds.ts";

/** A name as it is written on the command line: `learningRate` becomes `learning-rate`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A flag, and the name that it has in code. */
interface Entry {
  key: string;
  flag: Flag<unknown>;
}

/** All flags by their names on the command line. */
function byKebab(groups: FlagGroups): Map<string, Entry> {
  const flags = Object.values(groups).flatMap((group) => Object.entries(group));
  return new Map(flags.map(([key, flag]) => [kebabCase(key), { key, flag }]));
}

function isToggle(entry: Entry | undefined): boolean {
  return entry?.flag.kind === "toggle";
}

/** The word that takes the fewest edits; among equals, as after swapped letters, the most alike. */
function nearest(word: string, words: readonly string[]): string {
  const cost = (other: string) =>
    distance(word, other) - new Set(word).intersection(new Set(other)).size / 1000;
  return words.reduce((best, other) => cost(other) < cost(best) ? other : best);
}

/** What was typed, bare where that is safe to print. */
function show(text: string): string {
  return /^[\w.,:/=+@~-]{1,80}$/.test(text) ? text : quote(text);
}

function unknownFlag(argument: string, flags: Map<string, Entry>): UserError {
  const [typed = ""] = argument.split("=");
  const names = [...flags].flatMap(([name, it]) => isToggle(it) ? [name, `no-${name}`] : [name]);
  const meant = nearest(typed.replace(/^-+/, ""), [...names, "help"]);
  return usageError(
    `${show(typed)}: unknown flag; did you mean --${meant}? --help lists them all`,
  );
}

/** What stands where no flag takes it: perhaps a value whose flag was forgotten. */
function strayArgument(argument: string, flags: Map<string, Entry>): UserError {
  const owner = [...flags].find(([, it]) => !isToggle(it) && it.flag.choices.includes(argument));
  const meant = nearest(argument, [...flags.keys()]);
  const hint = owner !== undefined
    ? `did you mean --${owner[0]} ${argument}?`
    : distance(argument, meant) <= 2
    ? `did you mean --${meant}?`
    : "every value follows its flag, and --help lists the flags";
  return usageError(`${show(argument)}: belongs to no flag; ${hint}`);
}

function badValue(name: string, value: string, { allowed, choices }: Flag<unknown>): UserError {
  if (value === "") return usageError(`--${name} needs a value: ${allowed}`);
  const hint = choices.length > 0 ? `; did you mean ${nearest(value, [...choices])}?` : "";
  return usageError(`--${name} ${show(value)}: must be ${allowed}${hint}`);
}

/**
 * Reads a command line.
 *
 * @param args Such as `Deno.args`.
 * @param groups The flags that there are.
 * @returns The values of those flags that were given, and of no others.
 * @throws {UserError} With exit code 2 and one line that names what was typed, what is allowed and, for
 * a flag or a word that is not known, the nearest one: for an unknown or repeated flag, for a value that
 * is empty, not of the flag's kind or out of its range, and for an argument that belongs to no flag.
 */
export function parseFlags<const G extends FlagGroups>(
  args: readonly string[],
  groups: G,
): Partial<FlagValues<G>> {
  const flags = byKebab(groups);
  const names = [...flags.keys()];
  // Everything is text and collected, so that what was typed is seen whole: repeats, "", "007".
  const parsed: Record<string, unknown> = parseArgs(spellOut(args, flags), {
    string: names,
    collect: names,
    unknown: (argument, name) => {
      throw (name === undefined ? strayArgument : unknownFlag)(argument, flags);
    },
  });
  const [stray] = parsed["_"] as unknown[];
  if (stray !== undefined) throw strayArgument(String(stray), flags);

  const given: Record<string, unknown> = {};
  for (const [name, { key, flag }] of flags) {
    const [first, second] = parsed[name] as string[];
    if (first === undefined) continue;
    const value = flag.read(first);
    if (value === undefined) throw badValue(name, first, flag);
    if (second !== undefined) {
      throw usageError(
        `--${name} is given more than once (${show(first)}, then ${show(second)}): give it once`,
      );
    }
    given[key] = value;
  }
  return given as Partial<FlagValues<G>>;
}

/** Writes out what is short for something: toggles as `=true` or `=false`, negative numbers after `=`. */
function spellOut(args: readonly string[], flags: Map<string, Entry>): string[] {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const spelled: string[] = [];
  for (const arg of args.slice(0, end)) {
    const [, negated, name = ""] = /^--(no-)?(.*)$/s.exec(arg) ?? [];
    const before = spelled.at(-1) ?? "";
    if (/^-[\d.]/.test(arg) && flags.has(before.slice(2))) {
      spelled[spelled.length - 1] = `${before}=${arg}`;
    } else spelled.push(isToggle(flags.get(name)) ? `--${name}=${negated === undefined}` : arg);
  }
  return [...spelled, ...args.slice(end)];
}

/**
 * A preset with what was given on the command line in the place of its own values.
 *
 * @param preset A value for every setting.
 * @param given Values for some of them. Those of keys that the preset lacks are added.
 */
export function resolveConfig<C extends object, D extends object>(
  preset: C,
  given: D & { [K in keyof D & keyof C]?: C[K] | undefined },
): C & Omit<D, keyof C> {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...preset, ...Object.fromEntries(set) } as C & Omit<D, keyof C>;
}

/**
 * Checks settings that did not come from the command line, such as a preset or a run's config.json, by
 * the rules of the flags of the same names.
 *
 * @param config Settings by their camelCase names; those without a flag are left alone.
 * @param where Where they are from, for the message.
 * @throws {UserError} Naming the first that a flag would have refused.
 */
export function checkSettings(config: object, groups: FlagGroups, where: string): void {
  const values = new Map(Object.entries(config));
  for (const { key, flag } of byKebab(groups).values()) {
    const value = values.get(key);
    if (value === undefined) continue;
    // A list is written as its items with commas between them, which is what String() does.
    if (JSON.stringify(flag.read(String(value))) === JSON.stringify(value)) continue;
    throw new UserError(`${where}: ${key} is ${quote(value)}, but must be ${flag.allowed}`);
  }
}
