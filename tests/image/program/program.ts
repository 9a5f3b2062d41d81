/** Runs image.ts in this process, or like a user: in a process of its own with its permission set. */
import deno from "../../../deno.json" with { type: "json" };
import { main } from "../../../image.ts";
import { denoArguments } from "../../../tools/task.ts";
import { permitted } from "../../permissions.ts";
import { type Ended, runHere } from "../../run_here.ts";

export type { Ended };

/** Whether image.ts can be run. */
export const imageRuns: boolean = permitted({ name: "read" }, { name: "write" }, { name: "run" });

/** The smoke preset with a network so small that a run takes a second. */
export const TINY: readonly string[] = [
  "--preset=smoke",
  "--threads=1",
  "--channels=8,8",
  "--attention-head-dim=8",
  "--timesteps=100",
  "--learning-rate=0.002",
  "--warmup-steps=100",
  "--batch-size=4",
  "--validation-size=20",
  "--log-every=2",
  "--eval-every=4",
  "--checkpoint-every=8",
  "--samples=10",
  "--sample-steps=3",
];

/** The flags of {@linkcode TINY} that --sample-only and --study take as well. */
const WITHOUT_TRAINING = ["--preset", "--threads", "--samples", "--sample-steps"];

/** {@linkcode TINY} with further flags, which replace those of the same name. */
export function tiny(...flags: readonly string[]): string[] {
  const name = (flag: string) => flag.split("=")[0]!;
  const trains = !flags.some((flag) => /^--(sample-only|study=)/.test(flag));
  const kept = TINY.filter((flag) => trains || WITHOUT_TRAINING.includes(name(flag)));
  return [...kept.filter((flag) => !flags.some((other) => name(other) === name(flag))), ...flags];
}

/** A running process. */
export interface Running {
  /** The process id. */
  readonly pid: number;
  /** Resolves after the first training step, or when the process ends. */
  readonly training: Promise<void>;
  /** Resolves when the process ends. */
  readonly ended: Promise<Ended>;
  /** Sends a signal, unless the process has ended. */
  kill(signal: Deno.Signal): void;
}

/** Starts image.ts. */
export function startImage(args: readonly string[], options: StartOptions = {}): Running {
  return startProgram("image", args, options);
}

/** Options of {@linkcode startProgram}. */
export interface StartOptions {
  /** Whether to start it with tools/task.ts, as the deno tasks do. */
  readonly task?: boolean;
  /** A shell script that receives the command as "$0" "$@". */
  readonly shell?: string;
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** A module to run before the program. */
  readonly preload?: string;
}

/** The environment that tools/task.ts may read, as in deno.json. */
const ENVIRONMENT = "--allow-env=NANODIFFUSION_CACHE,HF_ENDPOINT,INIT_CWD";

/** Starts a program. */
export function startProgram(
  program: "image" | "text",
  args: readonly string[],
  { task = false, shell, env = {}, preload }: StartOptions = {},
): Running {
  const command = [
    Deno.execPath(),
    ...task
      ? ["run", "-q", "--allow-read", "--allow-run", ENVIRONMENT, "tools/task.ts", program, ...args]
      : denoArguments(program, args, deno.permissions[program]),
  ];
  if (preload !== undefined) command.splice(2, 0, `--preload=${preload}`);
  const [first = "", ...rest] = shell === undefined ? command : ["sh", "-c", shell, ...command];
  const child = new Deno.Command(first, {
    args: rest,
    cwd: new URL("../../..", import.meta.url),
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const training = Promise.withResolvers<void>();
  const readStderr = async () => {
    let text = "";
    for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (/^(?:[a-z]+ )?step \d/m.test(text)) training.resolve();
    }
    training.resolve();
    return text;
  };
  const ended = (async () => {
    const [{ code }, stdout, stderr] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      readStderr(),
    ]);
    return { code, stdout, stderr };
  })();
  return {
    pid: child.pid,
    training: training.promise,
    ended,
    kill: (signal) => {
      try {
        child.kill(signal);
      } catch {
        // The process has ended.
      }
    },
  };
}

/** Runs image.ts to its end in a process of its own. */
export function runImageProcess(...args: readonly string[]): Promise<Ended> {
  return startImage(args).ended;
}

/** Runs image.ts to its end in this process, without the permission set: for tests that are not about processes. */
export function runImage(...args: readonly string[]): Promise<Ended> {
  return runHere(() => main(args));
}

/** The SHA-256 of every file in a folder, by path. */
export async function hashFolder(directory: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) {
      const inner = Object.entries(await hashFolder(path));
      for (const [file, hash] of inner) hashes[`${name}/${file}`] = hash;
    } else {
      const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
      hashes[name] = new Uint8Array(digest).toHex();
    }
  }
  return hashes;
}

/**
 * What of a run must be the same whenever it is run: the last checkpoint, the samples and the metrics
 * but for speeds. The checkpoint before the last is where the run was last interrupted.
 */
export async function resultOf(directory: string): Promise<Record<string, unknown>> {
  const files = Object.entries(await hashFolder(directory)).sort(([a], [b]) => a < b ? -1 : 1);
  const last = files.findLast(([path]) => path.startsWith("checkpoints/"))?.[0].split("/")[1];
  const lasting = files
    .filter(([path]) => path.startsWith(`checkpoints/${last}/`) || path.startsWith("samples/"));
  const record = "samples/record.json";
  return {
    ...Object.fromEntries(lasting),
    ...(files.some(([path]) => path === record)
      ? { [record]: await withoutSpeeds(`${directory}/${record}`) }
      : {}),
    metrics: await metricsOf(directory),
  };
}

/** The content of a result file without speeds and without hashes that depend on speeds. */
export async function withoutSpeeds(path: string): Promise<unknown> {
  const text = await Deno.readTextFile(path);
  if (!path.endsWith(".json")) return text.split("\n").filter((line) => !/^speed/i.test(line));
  return JSON.parse(text, (key, value) => {
    if (key === "figures") {
      return value.filter(({ name }: { name: string }) => !/speed/i.test(name));
    }
    const isHash = typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
    return isHash && ["key", "samples", "resultHash"].includes(key) ? "a hash" : value;
  });
}

/** The rows of metrics.csv without the last column, which is a speed. */
export async function metricsOf(directory: string): Promise<string[]> {
  const text = await Deno.readTextFile(`${directory}/metrics.csv`);
  return text.trimEnd().split("\n").map((row) => row.replace(/,[^,]*$/, ""));
}

/** Copies a folder and its content. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Temporary folders, and a run that a process makes on first use. */
export interface Workplace {
  /** A new folder. */
  folder(): Promise<string>;
  /** The folder of a run that nothing happened to: tests look at it and leave it as it is. */
  straightRun(): Promise<string>;
}

/**
 * A workplace that is cleared when the tests of the file that calls this are over.
 *
 * @param steps Steps of the run.
 */
export function workplace(steps: number): Workplace {
  const folders: string[] = [];
  let straight: Promise<string> | undefined;
  const folder = async () => {
    const path = await Deno.makeTempDir({ prefix: "image test " }); // spaces must do no harm
    folders.push(path);
    return path;
  };
  const train = async () => {
    const out = `${await folder()}/straight`;
    const { code, stderr } = await runImageProcess(...TINY, `--steps=${steps}`, "--out", out);
    if (code !== 0) throw new Error(stderr);
    return out;
  };
  Deno.test.afterAll(async () => {
    for (const path of folders) await Deno.remove(path, { recursive: true });
  });
  return { folder, straightRun: () => straight ??= train() };
}
