/**
 * Command line arguments, with minimist's rules.
 *
 * @module
 */
import { parseArgs as tokenize } from "node:util";
import type { Args, ParseOptions, Values } from "./_types.ts";

export type { Args, ParseOptions } from "./_types.ts";

type Tree = Record<string, unknown>;

function listOf(names: unknown): string[] {
  if (typeof names === "string") return [names];
  return Array.isArray(names) ? names.filter(Boolean) : [];
}

/** For every name that has aliases: all names of that flag, its own included. */
function groupAliases(alias: Record<string, unknown>): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const [name, aliases] of Object.entries(alias)) {
    if (aliases === undefined) {
      throw new TypeError("Alias value must be defined");
    }
    const group = new Set([name, ...listOf(aliases)]);
    for (const member of group) groups.set(member, group);
  }
  return groups;
}

function isNumber(text: string): boolean {
  return /\S/.test(text) && Number.isFinite(Number(text));
}

/** `a.b.c` names a property of a property, but never one that every object inherits. */
function locate(
  tree: Tree,
  name: string,
): { parent: Tree; key: string } | undefined {
  const path = name.split(".");
  const shared = (parent: Tree, step: string) =>
    step === "__proto__" || (step === "constructor" && typeof parent[step] === "function");
  const key = path.pop()!;
  let parent = tree;
  for (const step of path) {
    if (shared(parent, step)) return undefined;
    parent = (parent[step] ??= {}) as Tree;
  }
  if (shared(parent, key)) return undefined;
  return { parent, key };
}

function assign(
  tree: Tree,
  name: string,
  value: unknown,
  collect = false,
): void {
  const place = locate(tree, name);
  if (place === undefined) return;
  const { parent, key } = place;
  const before = parent[key];
  if (!collect) parent[key] = value;
  else if (Array.isArray(before)) before.push(value);
  else parent[key] = before ? [before, value] : [value];
}

function holds(tree: Tree, name: string): boolean {
  let parent: unknown = tree;
  for (const step of name.split(".")) {
    if (!Object.hasOwn(parent as Tree, step)) return false;
    parent = (parent as Tree)[step];
  }
  return true;
}

/**
 * The flags in an argument with one dash: `-abc` is three of them, `-n5`, `-n=5` and `-n-` are one
 * with a value. A flag without a value of its own has undefined.
 */
function splitShort(letters: string): [name: string, value: string | undefined][] {
  const flags: [string, string | undefined][] = [];
  for (let i = 0; i < letters.length; i++) {
    const [name, rest] = [letters[i]!, letters.slice(i + 1)];
    const isLetter = /[A-Za-z]/.test(name);
    const inline = isLetter ? /=(.+)/.exec(rest)?.[1] : undefined;
    if (rest === "=") return [...flags, [name, ""]];
    if (inline !== undefined) return [...flags, [name, inline]];
    const isValue = rest === "-" ||
      (isLetter && /-?\d+(\.\d*)?(e-?\d+)?$/.test(rest)) ||
      /^\W./.test(rest);
    if (isValue) return [...flags, [name, rest]];
    flags.push([name, undefined]);
  }
  return flags;
}

/**
 * Parses command line arguments.
 *
 * What starts with a dash is a flag; its value follows `=` or is the next argument, unless that starts
 * with a dash too. A flag without a value is true, or "" if it is a `string`. Values that look like
 * numbers become numbers, except those of `string` flags. Everything else, and whatever comes after
 * `--`, is in `_`.
 *
 * @example Usage
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 *
 * const args = parseArgs(["--quiet", "--depth=3", "garden"], { boolean: ["quiet"] });
 * // { quiet: true, depth: 3, _: ["garden"] }
 * ```
 *
 * @param args Such as `Deno.args`.
 * @param options Which flags there are, and what is known about them.
 * @returns The flags by name, and the rest in `_`.
 */
export function parseArgs<
  TBooleans extends string | boolean = never,
  TStrings extends string = never,
  TCollectable extends string = never,
  TNegatable extends string = never,
  const TDefaults extends Record<string, unknown> = Record<never, never>,
  const TAliases extends Record<string, string | readonly string[]> = Record<never, never>,
  TDoubleDash extends boolean | undefined = undefined,
>(
  args: readonly string[],
  options: ParseOptions<
    TBooleans,
    TStrings,
    TCollectable,
    TNegatable,
    TDefaults,
    TAliases,
    TDoubleDash
  > = {},
): Args<Values<TBooleans, TStrings, TCollectable, TNegatable, TDefaults, TAliases>, TDoubleDash> {
  const groups = groupAliases(options.alias ?? {});
  const namesOf = (name: string): Iterable<string> => groups.get(name) ?? [name];
  const withAliases = (names: unknown) =>
    new Set(listOf(names).flatMap((name) => [...namesOf(name)]));
  const booleans = withAliases(options.boolean);
  const strings = withAliases(options.string);
  const collected = withAliases(options.collect);
  const negatable = withAliases(options.negatable);
  const allBooleans = options.boolean === true;

  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  const after = end < 0 ? [] : args.slice(end + 1);
  const rest: (string | number)[] = [];
  const result: Tree = { _: rest };

  function set(name: string, value: string | boolean, arg: string, collect = true): void {
    const known = [booleans, strings, collected, groups].some((names) => names.has(name)) ||
      (allBooleans && /^--[^=]+$/.test(arg));
    if (!known && options.unknown?.(arg, name, value) === false) return;
    const isText = typeof value !== "string" || strings.has(name) || !isNumber(value);
    for (const each of namesOf(name)) {
      assign(result, each, isText ? value : Number(value), collect && collected.has(each));
    }
  }

  /** What a flag is set to where it has no value. */
  const bare = (name: string) => strings.has(name) ? "" : true;

  /** Gives a flag the next argument as its value if it may have it; returns whether it took it. */
  function setFromNext(name: string, next: string | undefined, arg: string): boolean {
    const long = arg.startsWith("--");
    const takesAny = !booleans.has(name) && !(long && allBooleans);
    const isFlag = long ? next?.startsWith("-") : /^--?[^-]/.test(next ?? "");
    const isBoolean = next === "true" || next === "false";
    if (next && takesAny && !isFlag) set(name, next, arg);
    else if (isBoolean) set(name, next === "true", arg);
    else set(name, bare(name), arg);
    return isBoolean || Boolean(next && takesAny && !isFlag);
  }

  const { tokens = [] } = tokenize({
    args: [...before],
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let done = -1; // arguments up to this one have been dealt with
  for (const token of tokens) {
    if (token.index <= done || token.kind === "option-terminator") continue;
    done = token.index;
    const arg = before[token.index]!;
    const next = before[token.index + 1];
    if (token.kind === "positional") {
      if (options.unknown?.(arg) !== false) {
        rest.push(strings.has("_") || !isNumber(arg) ? arg : Number(arg));
      }
      if (!options.stopEarly) continue;
      rest.push(...before.slice(token.index + 1));
      break;
    } else if (!token.rawName.startsWith("--")) {
      const flags = splitShort(arg.slice(1));
      for (const [i, [name, value]] of flags.entries()) {
        if (value !== undefined) set(name, value, arg);
        else if (i < flags.length - 1) set(name, bare(name), arg);
        else if (setFromNext(name, next, arg)) done++;
      }
    } else if (token.value !== undefined) {
      set(token.name, booleans.has(token.name) ? token.value !== "false" : token.value, arg);
    } else if (token.name.startsWith("no-") && negatable.has(token.name.slice(3))) {
      set(token.name.slice(3), false, arg, false);
    } else if (setFromNext(token.name, next, arg)) done++;
  }

  const absent = (name: string) => !holds(result, name);
  for (const [name, value] of Object.entries(options.default ?? {}).filter(([it]) => absent(it))) {
    for (const each of namesOf(name)) assign(result, each, value);
  }
  for (const name of [...booleans].filter(absent)) {
    assign(result, name, collected.has(name) ? [] : false);
  }
  for (const name of [...strings].filter(absent)) if (collected.has(name)) assign(result, name, []);
  if (options["--"]) result["--"] = after;
  else rest.push(...after);
  return result as never; // what the types promise is what the loop above collects
}
