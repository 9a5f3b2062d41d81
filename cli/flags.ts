/**
 * Typed flags. A program declares them once, in groups. The command line, `--help` and the checks of
 * settings all follow from the declaration:
 *
 * ```ts ignore
 * const FLAGS = {
 *   "Training": {
 *     steps: integer({ min: 1, help: "optimizer steps" }),
 *     learningRate: number({ above: 0, help: "learning rate after the warm-up" }),
 *   },
 *   "Sampling": {
 *     sampler: choice(["ddpm", "ddim"], { help: "sampling algorithm" }),
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
import { type Flag, type FlagGroups, type FlagValues, kebabCase } from "./flag_kinds.ts";

export * from "./flag_kinds.ts";

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

/** The word with the smallest edit distance; of several, the one that shares the most letters. */
export function nearest(word: string, words: readonly string[]): string {
  const cost = (other: string) =>
    distance(word, other) - new Set(word).intersection(new Set(other)).size / 1000;
  return words.reduce((best, other) => cost(other) < cost(best) ? other : best);
}

/** What the user typed, quoted where it has unusual characters. */
function show(text: string): string {
  return /^[\w.,:/=+@~-]{1,80}$/.test(text) ? text : quote(text);
}

function unknownFlag(argument: string, flags: Map<string, Entry>): UserError {
  const [typed = ""] = argument.split("=");
  const names = [...flags].flatMap(([name, it]) => isToggle(it) ? [name, `no-${name}`] : [name]);
  const word = typed.replace(/^-+/, "");
  const meant = nearest(word, [...names, "help"]);
  // A far name is no help, and one that deletes would do harm.
  const most = meant === "overwrite" ? 1 : Math.max(2, Math.floor(word.length / 3));
  const far = Math.min(distance(word, meant), distance(word.replace(/^no-/, ""), meant));
  const hint = far <= most ? `did you mean --${meant}? ` : "";
  return usageError(`${show(typed)}: unknown flag; ${hint}--help lists them all`);
}

/** An argument without a flag in front of it: perhaps a value whose flag was forgotten. */
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
  const meant = choices.find((choice) => choice.split(/[-_]/).includes(value)); // webgpu: onnx-webgpu
  const hint = choices.length > 0 ? `; did you mean ${meant ?? nearest(value, [...choices])}?` : "";
  return usageError(`--${name} ${show(value)}: must be ${allowed}${hint}`);
}

/** Spells out shorthands: toggles as `=true` or `=false`, negative numbers and empty values after `=`. */
function spellOut(args: readonly string[], flags: Map<string, Entry>): string[] {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const spelled: string[] = [];
  for (const arg of args.slice(0, end)) {
    const [, negated, name = ""] = /^--(no-)?(.*)$/s.exec(arg) ?? [];
    const before = spelled.at(-1) ?? "";
    if (/^(-[\d.]|$)/.test(arg) && flags.has(before.slice(2))) {
      spelled[spelled.length - 1] = `${before}=${arg}`;
    } else spelled.push(isToggle(flags.get(name)) ? `--${name}=${negated === undefined}` : arg);
  }
  return [...spelled, ...args.slice(end)];
}

/**
 * Reads a command line.
 *
 * @param args The arguments, such as `Deno.args`.
 * @param groups The flags of the program.
 * @returns The values of the flags that were given, and no others.
 * @throws {UserError} With exit code 2 and a message of one line: for an unknown or repeated flag, for a
 * value that is empty, of another kind or out of range, and for an argument that belongs to no flag. The
 * message contains what was typed, what is allowed and, for an unknown name, the nearest known one.
 */
export function parseFlags<const G extends FlagGroups>(
  args: readonly string[],
  groups: G,
): Partial<FlagValues<G>> {
  const flags = byKebab(groups);
  const names = [...flags.keys()];
  // All flags are texts and lists, so that repeats, "" and "007" are seen as they were typed.
  const own = args[0] === "--" ? args.slice(1) : args; // what a task runner puts before them
  const parsed: Record<string, unknown> = parseArgs(spellOut(own, flags), {
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

/**
 * Replaces values of a preset by those given on the command line.
 *
 * @param preset A value for every setting.
 * @param given Values of some settings. Settings that the preset lacks are added.
 */
export function resolveConfig<C extends object, D extends object>(
  preset: C,
  given: D & { [K in keyof D & keyof C]?: C[K] | undefined },
): C & Omit<D, keyof C> {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...preset, ...Object.fromEntries(set) } as C & Omit<D, keyof C>;
}

/**
 * Checks settings that did not come from the command line, such as a preset or a run's config.json,
 * against the flags of the same names.
 *
 * @param config Settings by their camelCase names. Those without a flag are not checked.
 * @param where Where the settings come from, for the message.
 * @throws {UserError} For the first setting that its flag would refuse.
 */
export function checkSettings(config: object, groups: FlagGroups, where: string): void {
  const values = new Map(Object.entries(config));
  for (const { key, flag } of byKebab(groups).values()) {
    const value = values.get(key);
    if (value === undefined) continue;
    // String() writes a list as its items separated by commas, as on the command line.
    if (JSON.stringify(flag.read(String(value))) === JSON.stringify(value)) continue;
    throw new UserError(`${where}: ${key} is ${quote(value)}, but must be ${flag.allowed}`);
  }
}
