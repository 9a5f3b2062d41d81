/** What is recorded about a start of a program. */
import type { Device } from "../engine/device.ts";
import { type JsonObject, sha256 } from "../base/json.ts";
import type { RunSession } from "./run_record.ts";
import manifest from "../deno.json" with { type: "json" };
import engine from "../engine/deno.json" with { type: "json" };

/**
 * Describes this start of a program, for the run's config.json.
 *
 * @param program The program and its arguments.
 * @param root The folder of the code, whose commit is noted if it can be read.
 * @param now The time, in milliseconds since 1970.
 * @param settings Settings that the run's configuration does not have.
 */
export async function describeSession(
  program: readonly string[],
  device: Pick<Device, "name" | "threads">,
  { root, now, settings }: { root: string; now: number; settings?: JsonObject },
): Promise<RunSession> {
  const commit = await gitCommit(root);
  const lockfile = await lockfileHash(`${root}/deno.lock`);
  return {
    started: new Date(now).toISOString(),
    command: program,
    device: device.name,
    threads: device.threads,
    versions: versions(),
    ...(lockfile === undefined ? {} : { lockfile }),
    system: system(),
    ...(settings === undefined ? {} : { settings }),
    ...(commit === undefined ? {} : { commit }),
  };
}

/** The SHA-256 of a file, where it can be read: a library's user has another lockfile, or none. */
async function lockfileHash(path: string): Promise<string | undefined> {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
  return await Deno.readFile(path).then(sha256, () => undefined);
}

/** Names and versions. */
export type Versions = Readonly<Record<string, string>>;

/**
 * The versions of this package, of Deno, and of the npm packages that deno.json and engine/deno.json pin. None of it needs
 * a permission.
 */
export function versions(): Versions {
  const packages = Object.values({ ...manifest.imports, ...engine.imports })
    .map((specifier) => /^npm:(.+)@(\d[^@]*)$/.exec(specifier))
    .flatMap((match) => match === null ? [] : [[match[1]!, match[2]!]]);
  return {
    [manifest.name.replace(/^@.*\//, "")]: manifest.version,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    ...Object.fromEntries(packages),
  };
}

/** The operating system and the number of logical cores. */
export function system(): { readonly os: string; readonly arch: string; readonly cores: number } {
  return { os: Deno.build.os, arch: Deno.build.arch, cores: navigator.hardwareConcurrency };
}

/**
 * The commit that a working tree stands at, read from git's files without running git.
 *
 * @param root The folder that holds `.git`: a folder, or, in a linked working tree, a file.
 * @returns 40 (or 64) hexadecimal digits; undefined where there is no repository, or it may not be
 * read, or is laid out in a way that is not known here.
 */
export async function gitCommit(root: string): Promise<string | undefined> {
  try {
    const directory = await gitDirectory(root);
    const head = (await read(`${directory}/HEAD`)).trim();
    if (isCommit(head)) return head; // detached
    const name = /^ref: (refs\/\S+)$/.exec(head)?.[1];
    if (name === undefined || name.includes("..")) return undefined;
    // A linked working tree keeps its own HEAD, and its branches with the others.
    const common = await read(`${directory}/commondir`)
      .then((path) => resolve(directory, path.trim()), () => directory);
    const commit = await read(`${common}/${name}`).then((text) => text.trim(), () => undefined) ??
      (await read(`${common}/packed-refs`)).split("\n")
        .find((line) => line.endsWith(` ${name}`))?.split(" ")[0];
    return commit !== undefined && isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

async function gitDirectory(root: string): Promise<string> {
  const path = `${root}/.git`;
  const link = await read(path).catch(() => undefined);
  const target = link === undefined ? undefined : /^gitdir: (.+)$/m.exec(link)?.[1];
  return target === undefined ? path : resolve(root, target);
}

/** Reads a file where that is allowed. The record of a run is no reason to ask for permission. */
async function read(path: string): Promise<string> {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") throw new Deno.errors.NotCapable(path);
  return await Deno.readTextFile(path);
}

function resolve(base: string, path: string): string {
  return /^([A-Za-z]:)?[/\\]/.test(path) ? path : `${base}/${path}`;
}

function isCommit(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
