import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  writeCheckpoint,
} from "../../../training/checkpoint/checkpoint.ts";
import {
  checkpointDirectory,
  clearLeftovers,
  findCheckpoint,
  listCheckpoints,
  resolveCheckpoint,
  saveCheckpoint,
} from "../../../training/checkpoint/folders.ts";
import { permitted } from "../../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

function example(step: number): Checkpoint & Required<Pick<Checkpoint, "state">> {
  const data = Float32Array.of(step, 1, 2);
  return {
    modelIndex: { _class_name: "DDPMPipeline", unet: ["diffusers", "UNet2DModel"] },
    components: {
      unet: { config: {}, weights: new Map([["w", { dtype: "F32", shape: [3], data }]]) },
    },
    state: { step, seed: 0, configHash: "", vectors: new Map() },
  };
}

async function inRun(test: (run: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function names(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
}

Deno.test({
  name: "saveCheckpoint() keeps the last two and removes older ones",
  ignore,
  fn: () =>
    inRun(async (run) => {
      for (const step of [10, 20, 30, 1_000_000]) {
        assertEquals(await saveCheckpoint(run, example(step)), checkpointDirectory(run, step));
      }
      assertEquals(await names(`${run}/checkpoints`), ["step-000030", "step-1000000"]);
      assertEquals((await findCheckpoint(run))?.step, 1_000_000);
      await saveCheckpoint(run, example(1_000_001), { keep: 1 });
      assertEquals(await names(`${run}/checkpoints`), ["step-1000001"]);
      await assertRejects(() => saveCheckpoint(run, example(1), { keep: 0 }), RangeError);
    }),
});

Deno.test({
  name: "saveCheckpoint() keeps newer checkpoints when a run was resumed from an older one",
  ignore,
  fn: () =>
    inRun(async (run) => {
      await saveCheckpoint(run, example(10));
      await saveCheckpoint(run, example(40));
      await Deno.truncate(`${run}/checkpoints/step-000040/model_index.json`);
      await saveCheckpoint(run, example(20));
      const kept = ["step-000010", "step-000020", "step-000040"];
      assertEquals(await names(`${run}/checkpoints`), kept);
      await saveCheckpoint(run, example(40)); // takes the place of the damaged one
      assertEquals(await names(`${run}/checkpoints`), kept.slice(1));
      assertEquals((await findCheckpoint(run))?.damaged, []);
    }),
});

Deno.test({
  name: "saveCheckpoint() keeps the old checkpoints when the new one cannot be written",
  ignore,
  fn: () =>
    inRun(async (run) => {
      await saveCheckpoint(run, example(1));
      await saveCheckpoint(run, example(2));
      const bad = example(3);
      const data = Float32Array.of(1);
      const broken = {
        ...bad,
        components: {
          unet: {
            config: {},
            weights: new Map([["w", { dtype: "F32" as const, shape: [9], data }]]),
          },
        },
      };
      await assertRejects(() => saveCheckpoint(run, broken), Error, "w");
      assertEquals(await names(`${run}/checkpoints`), ["step-000001", "step-000002"]);
      await Deno.writeTextFile(`${run}/file`, "");
      await assertRejects(() => saveCheckpoint(`${run}/file`, bad), UserError, "cannot create");
    }),
});

Deno.test({
  name: "findCheckpoint() returns the newest intact checkpoint, and lists damaged ones",
  ignore,
  fn: () =>
    inRun(async (run) => {
      assertEquals(await findCheckpoint(run), undefined);
      for (const step of [1, 2, 3]) await saveCheckpoint(run, example(step), { keep: 9 });
      await Deno.remove(`${run}/checkpoints/step-000003/manifest.json`);
      await Deno.truncate(`${run}/checkpoints/step-000002/training_state.json`, 3);
      const found = await findCheckpoint(run);
      assertEquals(found?.directory, `${run}/checkpoints/step-000001`);
      assertEquals(found?.damaged.map(({ step }) => step), [3, 2]);
      assert(found!.damaged[0]!.error.message.includes("no manifest.json"));
      assert(found!.damaged[1]!.error.message.includes("training_state.json is truncated"));
      await Deno.remove(`${run}/checkpoints/step-000001/unet`, { recursive: true });
      await assertRejects(() => findCheckpoint(run), UserError, "all checkpoints of");
    }),
});

Deno.test({
  name: "listCheckpoints() ignores names that are not those of checkpoints",
  ignore,
  fn: () =>
    inRun(async (run) => {
      await saveCheckpoint(run, example(5));
      for (
        const name of ["step-000009.tmp-1-0", "step-9", "step--00001", "latest", "step-1e9999"]
      ) {
        await Deno.mkdir(`${run}/checkpoints/${name}`);
      }
      await Deno.writeTextFile(`${run}/checkpoints/step-000099`, "a file");
      assertEquals((await listCheckpoints(run)).map(({ step }) => step), [5]);
    }),
});

Deno.test({
  name: "resolveCheckpoint() accepts the folder of a run or of a checkpoint",
  ignore,
  fn: () =>
    inRun(async (run) => {
      await saveCheckpoint(run, example(1));
      const latest = await saveCheckpoint(run, example(2));
      assertEquals(await resolveCheckpoint(`${run}/`), latest);
      assertEquals(await resolveCheckpoint(latest), latest);
      await assertRejects(() => resolveCheckpoint(`${run}/none`), UserError, "no such file");
      const file = `${latest}/model_index.json`;
      await assertRejects(() => resolveCheckpoint(file), UserError, "it is a file");
    }),
});

Deno.test({
  name: "clearLeftovers() removes temporary files of a run that was killed while saving",
  ignore,
  fn: () =>
    inRun(async (run) => {
      await saveCheckpoint(run, example(1));
      // Killed while files were being written: no manifest yet.
      await writeCheckpoint(`${run}/checkpoints/x`, example(2));
      await Deno.remove(`${run}/checkpoints/x/manifest.json`);
      await Deno.rename(`${run}/checkpoints/x`, `${run}/checkpoints/step-000002.tmp-77-0`);
      await Deno.writeTextFile(`${run}/config.json.tmp-77-1`, "half");
      await Deno.mkdir(`${run}/samples`);
      await Deno.writeTextFile(`${run}/samples/a.png.tmp-77-2`, "half");
      await Deno.writeTextFile(`${run}/samples/my.tmp-notes.txt`, "a user's own");
      assertEquals((await clearLeftovers(run)).length, 3);
      assertEquals(await names(run), ["checkpoints", "samples"]);
      assertEquals(await names(`${run}/samples`), ["my.tmp-notes.txt"]);
      assertEquals(await names(`${run}/checkpoints`), ["step-000001"]);
      assertEquals(await clearLeftovers(run), []);
    }),
});

Deno.test({
  name: "clearLeftovers() renames a checkpoint that was complete except for its name",
  ignore,
  fn: () =>
    inRun(async (run) => {
      await saveCheckpoint(run, example(1));
      await saveCheckpoint(run, example(2));
      const [one, two] = [checkpointDirectory(run, 1), checkpointDirectory(run, 2)];
      await Deno.rename(two, `${two}.tmp-77-0`);
      // A step that was being replaced: the old folder has made way, the new one has not come yet.
      await writeCheckpoint(`${one}.tmp-77-1`, {
        ...example(1),
        card: "the new one",
      });
      await Deno.rename(one, `${one}.tmp-replaced`);
      await clearLeftovers(run);
      assertEquals(await names(`${run}/checkpoints`), ["step-000001", "step-000002"]);
      assertEquals((await loadCheckpoint(one, { state: true })).card, "the new one");
      assertEquals((await loadCheckpoint(two, { state: true })).state?.step, 2);
    }),
});

Deno.test({
  name: "clearLeftovers() does not restore a checkpoint that was being removed",
  ignore,
  fn: () =>
    inRun(async (run) => {
      const directory = await saveCheckpoint(run, example(1));
      await Deno.rename(directory, `${directory}.tmp-removed`);
      await clearLeftovers(run);
      assertEquals(await names(`${run}/checkpoints`), []);
    }),
});

Deno.test({
  name: "saveCheckpoint() reports a full disk, and keeps the existing checkpoints",
  // A file system of fixed size has to be mounted, which takes root and Linux.
  ignore: ignore || !permitted({ name: "run" }, { name: "sys" }) || Deno.build.os !== "linux" ||
    Deno.uid() !== 0,
  fn: (t) =>
    inRun(async (run) => {
      const mount = await new Deno.Command("mount", {
        args: ["-t", "tmpfs", "-o", "size=256k", "tmpfs", run],
        stderr: "null",
      }).output();
      try {
        await t.step({
          name: "on a disk of 256 KB",
          ignore: !mount.success, // containers may not be allowed to mount
          fn: () => fillDisk(run),
        });
      } finally {
        if (mount.success) await new Deno.Command("umount", { args: [run] }).output();
      }
    }),
});

async function fillDisk(run: string): Promise<void> {
  await saveCheckpoint(run, example(1));
  const weights = new Map([["w", {
    dtype: "F32" as const,
    shape: [100_000],
    data: new Float32Array(100_000),
  }]]);
  const large = { ...example(2), components: { unet: { config: {}, weights } } };
  const error = await assertRejects(() => saveCheckpoint(run, large), UserError);
  assert(/cannot write .*safetensors \(0\.40 MB\): the disk is full: free/.test(error.message));
  assertEquals(await names(`${run}/checkpoints`), ["step-000001"]);
  assertEquals((await findCheckpoint(run))?.step, 1);
}
