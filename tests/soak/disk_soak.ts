/**
 * Disks that are full, files that may not grow: whatever the room is used up by, checkpoints stay whole,
 * the message is one line that says what to do, and the run goes on to the bits of one that had room.
 *
 *     SOAK_DISKS=50 SOAK_SECONDS=3600 SOAK_SEED=0 deno task test:soak
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { findCheckpoint } from "../../training/checkpoint/folders.ts";
import { startProgram } from "../image/program/program.ts";
import { limit, soakClock, soakRandom, soaks } from "./limits.ts";
import { onSmallDisk, smallDisks } from "./small_disk.ts";
import { inSoakFolder, lastingOf, SMOKE_RUNS, startSmoke, straightSmoke } from "./smoke_runs.ts";

/** The size of a folder's files, in kilobytes. */
async function kilobytesOf(directory: string): Promise<number> {
  let bytes = 0;
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    bytes += isDirectory ? 1024 * await kilobytesOf(path) : (await Deno.stat(path)).size;
  }
  return bytes / 1024;
}

Deno.test({
  name: "image and text lose nothing where a disk is full or files may not grow, at any size",
  ignore: !soaks || !smallDisks,
  fn: () =>
    inSoakFolder(async (place) => {
      const [wanted, over] = [limit("SOAK_DISKS", 12), soakClock()];
      const random = soakRandom("disks");
      await Deno.mkdir(`${place}/disk`);
      const straight = [];
      for (const run of SMOKE_RUNS) {
        const out = `${place}/${run.program}`;
        const { lasting } = await straightSmoke(run, out);
        straight.push({ run, lasting, size: await kilobytesOf(out) });
      }
      const counts = { full: 0, grown: 0, enough: 0 };
      for (let i = 0; i < wanted && !over(); i++) {
        const { run, lasting, size } = straight[i % straight.length]!;
        const { program, flags } = run;
        const to = `${place}/${program}-${i}`;
        const isDisk = random.next() < 0.5;
        const kilobytes = Math.ceil(4 + random.next() * size * (isDisk ? 1.5 : 0.5));
        // Half-kilobyte blocks, as POSIX has them; the signal is ignored, so that writing fails.
        const shell = `trap "" XFSZ; ulimit -f ${2 * kilobytes}; exec "$0" "$@"`;
        const { code, stderr } = isDisk
          ? await onSmallDisk(program, flags, { kilobytes, to }, `${place}/disk`)
          : await startProgram(program, [...flags, `--out=${to}`], { shell }).ended;
        const log = `${program}, ${kilobytes} kB of ${isDisk ? "disk" : "a file"}: ${stderr}`;
        if (code === 0) counts.enough++;
        else {
          assertEquals(code, 1, log);
          const last = stderr.trimEnd().split("\n").at(-1)!;
          assertMatch(
            last,
            /^error: cannot [^:]+: (the disk is full: free|the file would be)/,
            log,
          );
          counts[isDisk ? "full" : "grown"]++;
        }
        // What is there is whole, and nothing half-written is beside it.
        for (const part of ["", "/diffusion"]) {
          assertEquals((await findCheckpoint(to + part))?.damaged ?? [], [], log);
        }
        const again = await startSmoke(run, to).ended;
        assertEquals(again.code, 0, log + again.stderr);
        assertEquals(await lastingOf(to), lasting, log);
        await Deno.remove(to, { recursive: true });
      }
      console.log(
        `${counts.full} full disks and ${counts.grown} files that could not grow, all of which went ` +
          `on to the same bits; ${counts.enough} had enough room`,
      );
      assert(counts.full + counts.grown > 0 || wanted === 0);
    }),
});
