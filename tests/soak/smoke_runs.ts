/** Smoke-sized runs of both programs, and what of them must be the same whatever happened to them. */
import { assertEquals } from "@std/assert";
import {
  hashFolder,
  metricsOf,
  type Running,
  startProgram,
  tiny,
  withoutSpeeds,
} from "../image/program/program.ts";
import { tinyDenoiser } from "../text/program/program.ts";

/** A program with its flags, but for `--out`. */
export interface SmokeRun {
  /** The program. */
  readonly program: "image" | "text";
  /** Its flags. Checkpoints are frequent, so that many are being written. */
  readonly flags: readonly string[];
}

/** Both programs. */
export const SMOKE_RUNS: readonly SmokeRun[] = [
  { program: "image", flags: ["--preset=smoke", "--threads=1", "--checkpoint-every=3"] },
  {
    program: "text",
    flags: [
      ...["--preset=smoke", "--threads=1", "--checkpoint-every=3"],
      "--diffusion-checkpoint-every=3",
    ],
  },
];

/** Both programs, every stage, with networks so small that a process mostly starts. */
export const TINY_RUNS: readonly SmokeRun[] = [
  { program: "image", flags: tiny("--steps=24", "--checkpoint-every=3") },
  {
    program: "text",
    flags: tinyDenoiser(
      ...["--steps=9", "--checkpoint-every=3", "--diffusion-checkpoint-every=3"],
      "--judge-steps=3",
    ),
  },
];

/** Starts a run in a folder, or goes on with the one that is there. */
export function startSmoke({ program, flags }: SmokeRun, out: string): Running {
  return startProgram(program, [...flags, `--out=${out}`]);
}

/** Files that hold times, process numbers or speeds. Of metrics, all but the speeds is compared. */
const VOLATILE = /(^|\/)(config\.json|run\.lock|report\.html|metrics\.csv)$/;

/** Files of results with speeds among them. */
const TIMED = /(^|\/)(samples\/record\.json|evaluation\/[^/]+)$/;

/** All files of a run by their names, with the hashes of those that hold no times, and metrics. */
export async function lastingOf(directory: string): Promise<Record<string, unknown>> {
  const files = await hashFolder(directory);
  const logs = Object.keys(files).filter((path) => path.endsWith("metrics.csv"));
  const metrics = await Promise.all(
    logs.map((path) => metricsOf(`${directory}/${path}`.replace(/\/metrics\.csv$/, ""))),
  );
  const timed = Object.keys(files).filter((path) => TIMED.test(path));
  const results = await Promise.all(timed.map((path) => withoutSpeeds(`${directory}/${path}`)));
  return {
    ...Object.fromEntries(
      Object.entries(files).sort(([a], [b]) => a < b ? -1 : 1)
        .map((
          [path, hash],
        ) => [path, VOLATILE.test(path) && !path.includes("checkpoints/") ? "there" : hash]),
    ),
    ...Object.fromEntries(logs.map((path, i) => [path, metrics[i]])),
    ...Object.fromEntries(timed.map((path, i) => [path, results[i]])),
  };
}

/** The files of a folder by their paths in it; none where it is not there. */
export async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      const inner = isDirectory ? await namesIn(`${directory}/${name}`) : undefined;
      names.push(...inner?.map((path) => `${name}/${path}`) ?? [name]);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}

/** A run that nothing happened to: how long it took, in milliseconds, and what lasts of it. */
export async function straightSmoke(
  run: SmokeRun,
  out: string,
): Promise<{ milliseconds: number; lasting: Record<string, unknown> }> {
  const started = performance.now();
  const { code, stderr } = await startSmoke(run, out).ended;
  assertEquals(code, 0, stderr);
  return { milliseconds: performance.now() - started, lasting: await lastingOf(out) };
}

/** A folder for a soak, removed behind it unless it failed. */
export async function inSoakFolder(soak: (place: string) => Promise<void>): Promise<void> {
  const place = await Deno.makeTempDir({ prefix: "soak " });
  try {
    await soak(place);
  } catch (error) {
    console.log(`what the soak left is in ${place}`);
    throw error;
  }
  await Deno.remove(place, { recursive: true });
}
