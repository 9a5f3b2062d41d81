/** Describes a start of a program for the run's config.json: time, command, device, versions, commit. */
import type { Device } from "../engine/device.ts";
import { sha256 } from "../base/json.ts";
import { granted } from "../base/permissions.ts";
import { jsonOf, type RunSession } from "./run_record.ts";
import manifest from "../deno.json" with { type: "json" };
import engine from "../engine/deno.json" with { type: "json" };

/**
 * Describes this start of a program. What may not be read without a prompt is left out.
 *
 * @param root The folder of the code, which has deno.lock and perhaps a git repository.
 * @param now The time, in milliseconds since 1970.
 * @param settings Settings that the run's configuration does not have.
 */
export async function describeSession(
  command: readonly string[],
  { name, threads }: Pick<Device, "name" | "threads">,
  { root, now, settings }: { root: string; now: number; settings?: object | undefined },
): Promise<RunSession> {
  return {
    started: new Date(now).toISOString(),
    command,
    device: name,
    threads,
    versions: versions(),
    lockfile: await lockfileHash(`${root}/deno.lock`),
    system: system(),
    settings: settings && jsonOf(settings),
    commit: await gitCommit(root),
  };
}

/** The versions of this package, of Deno, and of the npm packages that the packages' deno.json pin. */
export function versions(): RunSession["versions"] {
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

export function system(): RunSession["system"] {
  return { os: Deno.build.os, arch: Deno.build.arch, cores: navigator.hardwareConcurrency };
}

async function lockfileHash(path: string): Promise<string | undefined> {
  if (!granted({ name: "read", path })) return undefined;
  return await Deno.readFile(path).then(sha256, () => undefined);
}

/**
 * The commit of a working tree, read from git's files without running git. Undefined if there is no
 * repository, it may not be read, or its layout is unknown.
 *
 * @param root The folder with `.git`, which is a folder or, in a linked working tree, a file.
 */
export async function gitCommit(root: string): Promise<string | undefined> {
  try {
    const directory = await gitDirectory(root);
    const head = (await read(`${directory}/HEAD`)).trim();
    if (isCommit(head)) return head; // detached
    const name = /^ref: (refs\/\S+)$/.exec(head)?.[1];
    if (name === undefined || name.includes("..")) return undefined;
    // A linked working tree has its own HEAD; branches are in the common folder.
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

async function read(path: string): Promise<string> {
  if (!granted({ name: "read", path })) throw new Deno.errors.NotCapable(path);
  return await Deno.readTextFile(path);
}

function resolve(base: string, path: string): string {
  return /^([A-Za-z]:)?[/\\]/.test(path) ? path : `${base}/${path}`;
}

function isCommit(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
