/** What is recorded about a start of a program. */
import type { Device } from "../engine/device.ts";
import { gitCommit } from "./git_commit.ts";
import type { RunSession } from "./run_record.ts";
import { system, versions } from "./versions.ts";

/**
 * Describes this start of a program, for the run's config.json.
 *
 * @param program The program and its arguments.
 * @param root The folder of the code, whose commit is noted if it can be read.
 * @param now The time, in milliseconds since 1970.
 */
export async function describeSession(
  program: readonly string[],
  device: Pick<Device, "name" | "threads">,
  { root, now }: { root: string; now: number },
): Promise<RunSession> {
  const commit = await gitCommit(root);
  return {
    started: new Date(now).toISOString(),
    command: program,
    device: device.name,
    threads: device.threads,
    versions: versions(),
    system: system(),
    ...(commit === undefined ? {} : { commit }),
  };
}
