/** The text that `--help` prints. */
import { type Flag, type FlagGroups, kebabCase } from "./flags.ts";

/** What {@linkcode helpText} is made of. */
export interface HelpOptions {
  /** The command: `deno task image [flags]`. */
  usage: string;
  /** What the program does, in a sentence or two. */
  about: string;
  /** The flags. */
  flags: FlagGroups;
  /**
   * Presets by name: settings by their camelCase names, shown beside the flags as their defaults.
   *
   * @default {{}}
   */
  presets?: Readonly<Record<string, object>>;
  /**
   * Columns to fill.
   *
   * @default {100}
   */
  width?: number;
}

/** Columns of the flags, and of what is said about them at the least. */
const [FLAG_COLUMNS, MIN_TEXT_COLUMNS] = [28, 30] as const;

/** Whether `--help` or `-h` is among the arguments, whatever else is wrong with them. */
export function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function showValue(value: unknown): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return String(value);
}

/** `default 1` where all presets agree, `smoke 1, nano 2` where they do not, "" where none has it. */
function defaultsOf(key: string, presets: Readonly<Record<string, object>>): string {
  const defaults = Object.entries(presets).flatMap(([preset, settings]) => {
    const value = (settings as Record<string, unknown>)[key];
    return value === undefined ? [] : [[preset, showValue(value)] as const];
  });
  const values = new Set(defaults.map(([, value]) => value));
  if (values.size === 1 && defaults.length === Object.keys(presets).length) {
    return `default ${[...values][0]}`;
  }
  return defaults.map(([preset, value]) => `${preset} ${value}`).join(", ");
}

/** A flag as it is typed: `--steps N`, `--[no-]resume`. */
function signature(key: string, { kind, placeholder }: Flag<unknown>): string {
  const name = kebabCase(key);
  return kind === "toggle" ? `--[no-]${name}` : `--${name} ${placeholder}`;
}

/** What is said of a flag: what it is for, what it takes, what it is by default. */
function description(flag: Flag<unknown>, defaults: string): string {
  const takesAnything = flag.kind === "toggle" || flag.kind === "text";
  const notes = [takesAnything ? "" : flag.allowed, defaults].filter((note) => note !== "");
  return notes.length === 0 ? flag.help : `${flag.help} (${notes.join("; ")})`;
}

/**
 * Writes the text of `--help`: how the program is called, and for every group its flags with what they
 * take, their ranges and what each preset has for them.
 *
 * @returns Lines of at most `width` columns, with a line feed at the end.
 */
export function helpText({ usage, about, flags, presets = {}, width = 100 }: HelpOptions): string {
  const indent = FLAG_COLUMNS + 2;
  const columns = Math.max(width - indent, MIN_TEXT_COLUMNS);
  const lines = [`Usage: ${usage}`, "", ...wrap(about, width)];
  for (const [heading, group] of Object.entries(flags)) {
    lines.push("", heading);
    for (const [key, flag] of Object.entries(group)) {
      const left = `  ${signature(key, flag)}`;
      const [first = "", ...rest] = wrap(description(flag, defaultsOf(key, presets)), columns);
      if (left.length + 2 <= indent) lines.push(left.padEnd(indent) + first);
      else lines.push(left, " ".repeat(indent) + first);
      lines.push(...rest.map((line) => " ".repeat(indent) + line));
    }
  }
  return `${lines.join("\n")}\n`;
}
