import { assert, assertEquals, assertMatch } from "@std/assert";
import { findCheckpoint } from "../../../training/checkpoint/folders.ts";
import {
  copyFolder,
  hashFolder,
  imageRuns,
  resultOf,
  runImage,
  startImage,
  TINY,
  workplace,
} from "./program.ts";
import { onSmallDisk, smallDisks } from "../../soak/small_disk.ts";

const { folder, straightRun } = workplace(8);

Deno.test({
  name: "image keeps the last checkpoint on a full disk, names the remedy, and continues elsewhere",
  ignore: !imageRuns || !smallDisks,
  fn: async () => {
    const place = await folder();
    await Deno.mkdir(`${place}/disk`);
    const disk = { kilobytes: 1500, from: await straightRun(), to: `${place}/saved` };
    const flags = [...TINY, "--steps=300", "--resume"];
    const ended = await onSmallDisk("image", flags, disk, `${place}/disk`);
    assertEquals(ended.code, 1, ended.stderr);
    assertMatch(
      ended.stderr,
      /error: cannot write [^\n]+ MB\): the disk is full: free some space, such as runs [^\n]+\n$/,
    );
    const { step, damaged } = (await findCheckpoint(`${place}/saved`))!;
    assert(step >= 8 && damaged.length === 0);
    const names = Object.keys(await hashFolder(`${place}/saved`));
    assertEquals(names.filter((name) => name.includes(".tmp-")), []);

    const more = ["--steps=24", "--resume"];
    const [again, whole] = [`${place}/saved`, `${place}/whole`];
    await copyFolder(await straightRun(), whole);
    for (const out of [again, whole]) {
      const { code, stderr } = await runImage(...TINY, ...more, "--out", out);
      assertEquals(code, 0, stderr);
    }
    assertEquals(await resultOf(again), await resultOf(whole));
  },
});

Deno.test({
  name: "image does not change a read-only folder, and reports it",
  ignore: !imageRuns || !smallDisks,
  fn: async () => {
    const place = await folder();
    await Deno.mkdir(`${place}/disk`);
    const from = await straightRun();
    const disk = { from, to: `${place}/saved` };
    const ended = await onSmallDisk("image", [...TINY, "--steps=8"], disk, `${place}/disk`);
    assertMatch(
      ended.stderr,
      /^error: cannot write [^\n]+\/run\.lock: the file system is read-only: choose another folder\n$/,
    );
    assertEquals(ended.code, 1);
    assertEquals(await hashFolder(`${place}/saved`), await hashFolder(from));
    const fresh = await onSmallDisk("image", TINY, { to: `${place}/none` }, `${place}/disk`);
    assertMatch(fresh.stderr, /^error: cannot create the folder [^\n]+ is read-only: [^\n]+\n$/);
  },
});

Deno.test({
  name: "image reports the limit of open files when it is too low, and loses nothing",
  ignore: !imageRuns || Deno.build.os !== "linux",
  fn: async () => {
    const out = `${await folder()}/run`;
    await copyFolder(await straightRun(), out);
    const before = await hashFolder(`${out}/checkpoints`);
    const outcomes = new Set<string>();
    const start = (files: number) =>
      startImage([...TINY, "--steps=8", "--out", out], {
        shell: `ulimit -n ${files}; exec "$0" "$@"`,
      }).ended;
    const reason = /too many (files are open: raise|open files)/i;
    // Deno does not start with fewer than about 14. Around 24 it depends on Deno's own threads; 28 are enough.
    for (const files of [14, 16, 18, 24, 28]) {
      let { code, stderr } = await start(files);
      // Deno's module loader, before the program starts, now and then leaves the reason out.
      for (let i = 0; i < 4 && code !== 0 && !reason.test(stderr); i++) {
        ({ code, stderr } = await start(files));
      }
      if (code !== 0) assertMatch(stderr, reason);
      outcomes.add(code === 0 ? "done" : /ulimit -n/.test(stderr) ? "told" : "not started");
      assertEquals(await hashFolder(`${out}/checkpoints`), before);
    }
    assert(outcomes.has("done"), [...outcomes].join());
  },
});
