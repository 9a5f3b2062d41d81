/**
 * `parseArgs` of `jsr:@std/cli` with the options that this project uses, over node:util, for
 * networks that cannot reach JSR.
 *
 * @module
 */
import { parseArgs as tokenize } from "node:util";

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Flags whose values are texts, even if they look like numbers. "" if a flag has no value. */
  string?: readonly string[];
  /** Flags that may be given several times. Their values are lists. */
  collect?: readonly string[];
  /**
   * Called with every argument that is not a `string` flag. If it returns false, it is left out.
   */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** The flags by name, and the arguments that belong to no flag. */
export type Args = Record<string, unknown> & { _: (string | number)[] };

/**
 * Parses command line arguments. The value of a flag follows `=` or is the next argument, unless
 * that one starts with a dash. What follows `--` is in `_` unchanged.
 *
 * Unlike in the original, arguments with a single dash are only passed to `unknown`.
 */
export function parseArgs(
  args: readonly string[],
  { string = [], collect = [], unknown = () => true }: ParseOptions = {},
): Args {
  const rest: (string | number)[] = [];
  const lists = collect.filter((name) => string.includes(name)).map((name) => [name, []]);
  const result: Args = { ...Object.fromEntries(lists), _: rest };
  const set = (arg: string, name: string, value: string | true) => {
    if (!string.includes(name) && unknown(arg, name, value) === false) return;
    const typed = string.includes(name) ? value : typedValue(value);
    if (collect.includes(name)) ((result[name] ??= []) as unknown[]).push(typed);
    else result[name] = typed;
  };

  const { tokens } = tokenize({
    ...{ args: [...args], strict: false, allowPositionals: true, tokens: true },
  });
  const end = tokens.find(({ kind }) => kind === "option-terminator")?.index ?? args.length;
  let done = -1; // the last argument that has been read
  for (const token of tokens) {
    const [arg, next] = [args[token.index]!, args[token.index + 1]];
    if (token.index <= done || token.index >= end) continue;
    done = token.index;
    if (token.kind === "positional") {
      if (unknown(arg) !== false) rest.push(typedValue(arg) as string | number);
    } else if (token.kind === "option" && !token.rawName.startsWith("--")) {
      unknown(arg, token.name, true);
    } else if (token.kind === "option") {
      const takesNext = token.value === undefined && next && !next.startsWith("-");
      if (takesNext) done++;
      const bare = string.includes(token.name) ? "" : true;
      set(arg, token.name, token.value ?? (takesNext ? next : bare));
    }
  }
  rest.push(...args.slice(end + 1));
  return result;
}

/** A text that looks like a number as that number. */
function typedValue(value: string | true): string | number | true {
  return typeof value === "string" && /\S/.test(value) && Number.isFinite(Number(value))
    ? Number(value)
    : value;
}
