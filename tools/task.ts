/**
 * Starts a program with its permission set of deno.json, plus what its flags name and no more:
 * `--out DIR` may be written, `--config`, `--data-dir`, `--checkpoint`, `--start-from`, `--encoder-from`
 * `--decoder-from` and `--judge DIR` and the mask of `--inpaint` may be read, `--device tensorflow` sets
 * libtensorflow's variables, the folder of NANODIFFUSION_CACHE may be used, and the host of HF_ENDPOINT
 * reached. A set alone is fixed: it would have to allow every folder there is, or refuse the user's own.
 *
 *     deno run --allow-run --allow-env=NANODIFFUSION_CACHE,HF_ENDPOINT tools/task.ts image --out /some/folder
 */
import config from "../deno.json" with { type: "json" };
import { TENSORFLOW_DEFAULTS, TENSORFLOW_THREADS, usesTensorFlow } from "../engine/device_names.ts";

/** What may be done in a folder. */
export type Access = "read" | "write";

const PROGRAMS = { image: config.permissions.image, text: config.permissions.text };

/** The flags that name folders, and what is done in them. */
const FOLDER_FLAGS: Readonly<Record<string, readonly Access[]>> = {
  "--out": ["read", "write"],
  "--config": ["read"],
  "--data-dir": ["read"],
  "--checkpoint": ["read"],
  "--vae": ["read"],
  "--judge": ["read"],
  "--start-from": ["read"],
  "--encoder-from": ["read"],
  "--decoder-from": ["read"],
  "--inpaint": ["read"],
};

/** Every word of a command line with what follows it after a space or "=". */
function flagsOf(args: readonly string[]): { flag: string; value: string }[] {
  return args.map((arg, i) => {
    const [, flag = arg, inline] = /^(--[^=]+)=(.*)$/s.exec(arg) ?? [];
    return { flag, value: inline ?? args[i + 1] ?? "" };
  });
}

/** The folders that a command line names, by what is done in them. */
export function namedFolders(args: readonly string[]): Record<Access, string[]> {
  const folders: Record<Access, string[]> = { read: [], write: [] };
  for (const { flag, value } of flagsOf(args)) {
    // A comma would end the path in Deno's own flag; such a folder is refused later, by name.
    if (value === "" || value.includes(",")) continue;
    for (const access of FOLDER_FLAGS[flag] ?? []) folders[access].push(value);
  }
  return folders;
}

/** The environment variables that the device of a command line needs. */
export function namedVariables(args: readonly string[]): string[] {
  return flagsOf(args).some(({ flag, value }) => flag === "--device" && usesTensorFlow(value))
    ? [...Object.keys(TENSORFLOW_DEFAULTS), TENSORFLOW_THREADS]
    : [];
}

/** What the environment names; the programs read it, too. */
export interface NamedPlaces {
  /** NANODIFFUSION_CACHE, the folder of downloads. */
  readonly cache?: string | undefined;
  /** HF_ENDPOINT, the address of a hub. */
  readonly hub?: string | undefined;
}

/** The places that the environment names, of those variables that may be read. */
export function placesOfEnvironment(): NamedPlaces {
  const value = (variable: string) =>
    Deno.permissions.querySync({ name: "env", variable }).state === "granted"
      ? Deno.env.get(variable) || undefined
      : undefined;
  return { cache: value("NANODIFFUSION_CACHE"), hub: value("HF_ENDPOINT") };
}

/** The host of an address with its port; none where that is no address, which the program will say. */
function hostsOf(address: string | undefined): string[] {
  if (address === undefined || !URL.canParse(address)) return [];
  const { hostname, port, protocol } = new URL(address);
  if (hostname === "") return [];
  return [`${hostname}:${port || (protocol === "http:" ? "80" : "443")}`];
}

/**
 * Deno's arguments for a program. Deno's `--allow-read` replaces the set's own list, so both are given.
 *
 * @param set The permission set of deno.json, by its lists.
 * @param places What the environment names.
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
): string[] {
  const { read, write } = namedFolders(args);
  const cached = cache === undefined || cache.includes(",") ? [] : [cache];
  const allow = (access: Access | "env" | "net", names: readonly string[]) =>
    names.length === 0 ? [] : [`--allow-${access}=${[...set[access] ?? [], ...names].join()}`];
  return [
    ...["run", "-q", "--no-prompt", `-P=${program}`],
    ...allow("read", [...read, ...cached]),
    ...allow("write", [...write, ...cached]),
    ...allow("env", namedVariables(args)),
    ...allow("net", hostsOf(hub)),
    `${program}.ts`,
    ...args,
  ];
}

/** What a program leaves with, and what is to be said where a signal ended it before it could. */
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
  const [program, ...args] = Deno.args;
  if (program === undefined || !Object.hasOwn(PROGRAMS, program)) {
    console.error(`usage: task.ts ${Object.keys(PROGRAMS).join(" | ")} [flags]`);
    Deno.exit(2);
  }
  const set = PROGRAMS[program as keyof typeof PROGRAMS];
  // Listened for before the program is there, so that no signal can end this process alone. Ctrl-C
  // reaches the program by itself; this process has to outlive it to pass its exit code on.
  Deno.addSignalListener("SIGINT", () => {});
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
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
