/** What is recorded about a start of a program. */
import type { Device } from "../engine/device.ts";
import { type JsonObject, sha256 } from "../base/json.ts";
import { gitCommit } from "./git_commit.ts";
import type { RunSession } from "./run_record.ts";
import { system, versions } from "./versions.ts";

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
