/** Programs on a file system of their own: a small one, or one that cannot be written. */
import { type Ended, startProgram } from "../image/program/program.ts";
import { permitted } from "../permissions.ts";

/** Whether such a file system can be had: Linux, with namespaces of users and mounts. */
export const smallDisks: boolean = Deno.build.os === "linux" &&
  permitted({ name: "read" }, { name: "write" }, { name: "run" }) && await canMount();

async function canMount(): Promise<boolean> {
  const place = await Deno.makeTempDir();
  try {
    const mount = `mount -t tmpfs -o size=64k none "$0"`;
    const { success } = await new Deno.Command("unshare", {
      args: ["-Urm", "sh", "-c", mount, place],
      ...{ stdout: "null", stderr: "null" },
    }).output();
    return success;
  } catch {
    return false; // there is no such program
  } finally {
    await Deno.remove(place);
  }
}

/** A disk, and what becomes of it. */
export interface SmallDisk {
  /** Its size in kilobytes. One that cannot be written has none. */
  readonly kilobytes?: number;
  /** A run's folder that is on it before, as `run`. */
  readonly from?: string;
  /** Where to copy `run` to when the program is over. */
  readonly to: string;
}

/**
 * Runs a program with its `--out` on a disk of its own.
 *
 * @param place An empty folder that the disk can be mounted on.
 */
export async function onSmallDisk(
  program: "image" | "text",
  flags: readonly string[],
  { kilobytes, from, to }: SmallDisk,
  place: string,
): Promise<Ended> {
  const quoted = (path: string) => `'${path}'`;
  const [disk, run] = [quoted(place), quoted(`${place}/run`)];
  const inner = [
    `mount -t tmpfs -o size=${kilobytes ?? 65536}k none ${disk}`,
    ...from === undefined ? [] : [`cp -r ${quoted(from)} ${run}`],
    ...kilobytes === undefined ? [`mount -o remount,ro ${disk}`] : [],
    `"$0" "$@"; code=$?`,
    `[ ! -e ${run} ] || cp -r ${run} ${quoted(to)}`,
    "exit $code",
  ].join("\n");
  return await startProgram(program, [...flags, `--out=${place}/run`], {
    shell: `exec unshare -Urm sh -c "$SCRIPT" "$0" "$@"`,
    env: { SCRIPT: inner },
  }).ended;
}
