/** The text that `--help` prints. */
import { EXIT } from "../base/errors.ts";
import manifest from "../deno.json" with { type: "json" };
import { type Flag, type FlagGroups, kebabCase } from "./flags.ts";
import { terminalColumns } from "./progress.ts";

/** A command, and what it does. */
export type Example = readonly [command: string, purpose: string];

interface HelpOptions {
  usage: string;
  /** Paragraphs are separated by line feeds. */
  about: string;
  examples?: readonly Example[] | undefined;
  flags: FlagGroups;
  /**
   * Settings by their camelCase names. The first preset is the default one unless `defaultPreset` names
   * another.
   */
  presets?: Readonly<Record<string, object>> | undefined;
  defaultPreset?: string | undefined;
  /** A word: only the groups and flags with it in their names are shown. Without one, all are. */
  topic?: string | undefined;
  /** Columns; by default those of the terminal, at most 100. */
  width?: number | undefined;
}

/** Columns in front of a flag's description. */
const INDENT = 28;
/** Columns of a description, however narrow the terminal is. */
const MIN_COLUMNS = 20;

/** Whether `--help` or `-h` is among the arguments, whatever else is wrong with them. */
export function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--", 1); // a task runner may put one first
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

/** The word after `--help`: `--help sampling`. */
export function helpTopic(args: readonly string[]): string | undefined {
  const topic = args[args.findIndex((arg) => arg === "--help" || arg === "-h") + 1];
  return topic === undefined || topic.startsWith("-") ? undefined : topic;
}

/** Whether `--version` is among the arguments. */
export function wantsVersion(args: readonly string[]): boolean {
  return args.includes("--version");
}

/** Prints the name and the version of the project, and the version of Deno. @returns The exit code. */
export function printVersion(): number {
  const name = manifest.name.replace(/^@.*\//, "");
  console.log(`${name} ${manifest.version}, deno ${Deno.version.deno}`);
  return EXIT.done;
}

/** Breaks a text into lines of at most `width` columns, words longer than that excepted. */
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

/** A term and its description in two columns. A term that is too long has a line of its own. */
function twoColumns(term: string, description: string, indent: number, width: number): string[] {
  const space = " ".repeat(indent);
  const lines = wrap(description, Math.max(width - indent, MIN_COLUMNS)).map((line) =>
    space + line
  );
  if (term.length + 2 > indent) return [term, ...lines];
  return [term.padEnd(indent) + lines[0]!.slice(indent), ...lines.slice(1)];
}

const showValue = (value: unknown): string =>
  typeof value === "boolean" ? (value ? "on" : "off") : String(value ?? "none");

/** `default 900; smoke 30`: the default preset's value, and those of presets that differ from it. */
function defaultsOf(key: string, { presets = {}, defaultPreset }: HelpOptions): string {
  const values = Object.entries(presets).map(([preset, settings]) => ({
    preset,
    value: (settings as Record<string, unknown>)[key],
  }));
  if (values.every(({ value }) => value === undefined)) return "";
  const standard = values.find(({ preset }) => preset === defaultPreset) ?? values[0]!;
  const shown = `default ${showValue(standard.value)}`;
  const others = values
    .filter(({ value }) => showValue(value) !== showValue(standard.value))
    .map(({ preset, value }) => `${preset} ${showValue(value)}`);
  return others.length === 0 ? shown : `${shown}; ${others.join(", ")}`;
}

/** A flag: what it is for, its allowed values, its defaults, and a line for each explained choice. */
function flagLines(key: string, flag: Flag<unknown>, options: HelpOptions, width: number) {
  const { kind, help, placeholder, range, choices, meanings } = flag;
  const name = kebabCase(key);
  const signature = kind === "toggle" ? `--[no-]${name}` : `--${name} ${placeholder}`;
  const isListed = kind === "choice" && meanings === undefined;
  const notes = [isListed ? choices.join(", ") : range, defaultsOf(key, options)]
    .filter((note) => note !== "").join("; ");
  const description = notes === "" ? help : `${help} [${notes}]`;
  const longest = Math.max(...choices.map(({ length }) => length));
  return [
    ...twoColumns(`  ${signature}`, description, INDENT, width),
    ...Object.entries(meanings ?? {}).flatMap(([name, meaning]) =>
      twoColumns(" ".repeat(INDENT + 2) + name, meaning, INDENT + longest + 4, width)
    ),
  ];
}

/** How to read the list of flags. */
function legend({ presets = {}, defaultPreset }: HelpOptions): string {
  const notation = "Flags: N is an integer, X a number; ranges and defaults are in brackets.";
  if (Object.keys(presets).length < 2) return notation;
  const standard = defaultPreset ?? Object.keys(presets)[0];
  return `${notation} Defaults are those of the preset ${standard}; the values of presets that ` +
    "differ follow them.";
}

/** The flags that a topic names: those of a group, or those with the word in their names. */
function flagsOf(topic: string | undefined, flags: FlagGroups): FlagGroups {
  if (topic === undefined) return flags;
  const word = topic.toLowerCase();
  const found = Object.entries(flags).map(([heading, group]) => {
    const isNamed = heading.toLowerCase().includes(word);
    const some = Object.entries(group).filter(([key]) => isNamed || kebabCase(key).includes(word));
    return [heading, Object.fromEntries(some)] as const;
  }).filter(([, group]) => Object.keys(group).length > 0);
  return Object.fromEntries(found);
}

/** Writes the text of `--help`: lines of at most `width` columns, with a line feed at the end. */
export function helpText(options: HelpOptions): string {
  const { usage, about, examples = [], topic, width = Math.min(100, terminalColumns()) } = options;
  const flags = flagsOf(topic, options.flags);
  const topics =
    `--help TOPIC shows a part: ${Object.keys(options.flags).join(", ")}, or a word of a ` +
    "flag's name.";
  const introduction = topic !== undefined ? [] : [
    ...about.split("\n").flatMap((paragraph) => ["", ...wrap(paragraph, width)]),
    ...examples.length === 0 ? [] : ["", "Examples"],
    ...examples.flatMap(([command, purpose]) => [
      `  ${command}`,
      ...wrap(purpose, width - 6).map((line) => `      ${line}`),
    ]),
  ];
  const lines = [
    `Usage: ${usage}`,
    ...introduction,
    "",
    ...wrap(`${legend(options)} ${topics}`, width),
    ...Object.keys(flags).length === 0 ? ["", `No flag has ${topic} in its name.`] : [],
  ];
  for (const [heading, group] of Object.entries(flags)) {
    lines.push("", heading);
    for (const [key, flag] of Object.entries(group)) {
      lines.push(...flagLines(key, flag, options, width));
    }
  }
  return `${lines.join("\n")}\n`;
}
