/**
 * Starts a program with its permission set of deno.json and with permissions for the paths, the
 * device and the variables that this command names. The set alone is fixed: it would have to allow
 * every folder, or refuse those that the user names.
 *
 *     deno run --allow-run --allow-env tools/task.ts image --out DIR
 */
import { dirname } from "node:path";
import config from "../deno.json" with { type: "json" };
import { TENSORFLOW_DEFAULTS, TENSORFLOW_THREADS, usesTensorFlow } from "../engine/device_names.ts";

export type Access = "read" | "write";

const PROGRAMS = {
  image: config.permissions.image,
  text: config.permissions.text,
  web: config.permissions.web,
};

/**
 * The flags that take a path. The flag tables of the programs import TensorFlow.js, which takes too
 * long to load before every command, so their names are repeated here; a test compares them.
 */
export const PATH_FLAGS: Readonly<Record<string, readonly Access[]>> = {
  "--out": ["read", "write"],
  "--config": ["read"],
  "--data-dir": ["read"],
  "--images": ["read"],
  "--checkpoint": ["read"],
  "--vae": ["read"],
  "--judge": ["read"],
  "--start-from": ["read"],
  "--encoder-from": ["read"],
  "--decoder-from": ["read"],
  "--inpaint": ["read"],
  "--puzzles": ["read"],
  "--texts": ["read"],
  "--problems": ["read"],
  "--build": ["read", "write"],
};

/** A flag and its value in one argument. */
const INLINE = /^(--[^=]+)=(.*)$/s;

const takesPath = (flag: string) => Object.hasOwn(PATH_FLAGS, flag);

/** Every argument, with the value after "=" or the next argument. */
function flagsOf(args: readonly string[]): { flag: string; value: string }[] {
  return args.map((arg, i) => {
    const [, flag = arg, inline] = INLINE.exec(arg) ?? [];
    return { flag, value: inline ?? args[i + 1] ?? "" };
  });
}

/**
 * The arguments with relative paths of flags resolved against the folder where the user stands, which is
 * another than the program's if the task was started from elsewhere.
 */
export function fromFolder(args: readonly string[], folder: string): string[] {
  return args.map((arg, i) => {
    const [, flag = "", inline] = INLINE.exec(arg) ?? [];
    if (inline !== undefined) {
      return takesPath(flag) ? `${flag}=${below(folder, flag, inline)}` : arg;
    }
    const before = args[i - 1] ?? "";
    return takesPath(before) ? below(folder, before, arg) : arg;
  });
}

/** Flags whose values may also be names: of halves of images, or of models on the hub. */
const NAMES: readonly string[] = [
  ...["--inpaint", "--encoder-from", "--decoder-from", "--judge", "--checkpoint"],
];

/** A path below a folder, unless it is absolute, begins with ~ (the program refuses it), or is a name. */
function below(folder: string, flag: string, path: string): string {
  const isPath = NAMES.includes(flag)
    ? /^\.\.?\//.test(path) || exists(`${folder}/${path}`)
    : path !== "";
  return isPath && !/^([/\\~]|[A-Za-z]:|--)/.test(path) ? `${folder}/${path}` : path;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The first path of a command that has a comma, which Deno's permission flags cannot express. */
export function pathWithComma(args: readonly string[]): string | undefined {
  return flagsOf(args).find(({ flag, value }) => takesPath(flag) && value.includes(","))?.value;
}

/** The paths that a command names, by access. */
export function namedPaths(args: readonly string[]): Record<Access, string[]> {
  const paths: Record<Access, string[]> = { read: [], write: [] };
  for (const { flag, value } of flagsOf(args)) {
    if (value === "" || value.includes(",")) continue; // a comma separates paths in Deno's flags
    for (const access of PATH_FLAGS[flag] ?? []) paths[access].push(value);
  }
  return paths;
}

/** What the decoder of own images asks for when it is loaded: it looks for its library. */
const DECODER = {
  read: ["/usr/bin/ldd"],
  env: ["npm_package_config_libvips", "MALLOC_ARENA_MAX"],
  sys: ["cpus"],
} as const;

const readsImages = (args: readonly string[]) =>
  flagsOf(args).some(({ flag }) => flag === "--images");

/** The environment variables that a command needs for its device and its images. */
function namedVariables(args: readonly string[]): string[] {
  const isTensorFlow = flagsOf(args).some(({ flag, value }) =>
    flag === "--device" && usesTensorFlow(value)
  );
  return [
    ...isTensorFlow ? [...Object.keys(TENSORFLOW_DEFAULTS), TENSORFLOW_THREADS] : [],
    ...readsImages(args) ? DECODER.env : [],
  ];
}

/** The places that environment variables name. The programs read the same variables. */
export interface NamedPlaces {
  readonly cache?: string | undefined;
  readonly hub?: string | undefined;
}

/** The value of an environment variable, if this process may read it. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) || undefined : undefined;
}

function placesOfEnvironment(): NamedPlaces {
  return { cache: variable("NANODIFFUSION_CACHE"), hub: variable("HF_ENDPOINT") };
}

/** The host and port of an address; none if it is not valid, which the program reports itself. */
function hostsOf(address: string | undefined): string[] {
  if (address === undefined || !URL.canParse(address)) return [];
  const { hostname, port, protocol } = new URL(address);
  if (hostname === "") return [];
  return [`${hostname}:${port || (protocol === "http:" ? "80" : "443")}`];
}

/**
 * Deno's arguments for a program. `--allow-read=...` replaces the list of the permission set, so the paths
 * of the set are repeated; the same holds for the other permissions.
 */
export function denoArguments(
  program: string,
  args: readonly string[],
  set: {
    readonly read: readonly string[];
    readonly write: readonly string[];
    readonly env?: readonly string[];
    readonly net?: readonly string[];
  },
  { cache, hub }: NamedPlaces = {},
  script = `${program}.ts`,
): string[] {
  const { read, write } = namedPaths(args);
  const cached = cache === undefined || cache.includes(",") ? [] : [cache];
  const decoder = readsImages(args);
  const allow = (access: Access | "env" | "net" | "sys", names: readonly string[]) =>
    names.length === 0
      ? []
      : [`--allow-${access}=${[...access === "sys" ? [] : set[access] ?? [], ...names].join()}`];
  return [
    "run",
    "-q",
    "--no-prompt",
    `-P=${program}`,
    ...allow("read", [...read, ...cached, ...decoder ? DECODER.read : []]),
    ...allow("write", [...write, ...cached]),
    ...allow("env", namedVariables(args)),
    ...allow("net", hostsOf(hub)),
    ...allow("sys", decoder ? DECODER.sys : []),
    script,
    ...args,
  ];
}

/**
 * The exit code for an ended program, and a message if a signal ended it before it could write one.
 */
export function ending({ code, signal }: { code: number; signal: Deno.Signal | null }): {
  code: number;
  message?: string;
} {
  if (signal === null) return { code };
  if (signal === "SIGINT" || signal === "SIGTERM") {
    return { code: 130, message: "interrupted: before it began, so nothing has changed" };
  }
  const why = signal === "SIGKILL"
    ? "as systems do when memory runs out: use a smaller --batch-size or preset"
    : "in native code: try another --device";
  return { code: 1, message: `error: the program was ended by ${signal}, ${why}` };
}

if (import.meta.main) {
  const [program, ...given] = Deno.args;
  if (program === undefined || !Object.hasOwn(PROGRAMS, program)) {
    console.error(`usage: task.ts ${Object.keys(PROGRAMS).join(" | ")} [flags]`);
    Deno.exit(2);
  }
  const comma = pathWithComma(given);
  if (comma !== undefined) {
    console.error(`error: ${comma}: Deno cannot grant a path with a comma: use a path without one`);
    Deno.exit(2);
  }
  const set = PROGRAMS[program as keyof typeof PROGRAMS];
  const stands = variable("INIT_CWD"); // set by deno task
  const isElsewhere = stands !== undefined && stands !== dirname(import.meta.dirname!);
  const args = isElsewhere ? fromFolder(given, stands) : given;
  // The listeners come first, so that no signal ends this process alone. The terminal sends Ctrl-C
  // to the program, too; this process must outlive the program to pass on its exit code.
  Deno.addSignalListener("SIGINT", () => {});
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has already ended.
      }
    });
  }
  const child = new Deno.Command(Deno.execPath(), {
    args: denoArguments(program, args, set, placesOfEnvironment()),
  }).spawn();
  const { code, message } = ending(await child.status);
  if (message !== undefined) console.error(message);
  Deno.exit(code);
}
