import { assertEquals } from "@std/assert";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { float32 } from "../../engine/tree.ts";
import { ravel } from "../../nn/parameters.ts";
import { releaseCheckpoint } from "../../tools/release_checkpoint.ts";
import { loadCheckpoint } from "../../training/checkpoint.ts";
import { saveCheckpoint } from "../../training/checkpoint_folders.ts";
import { imageCheckpoint, loadImageModel } from "../../training/image_checkpoint.ts";
import { permitted } from "../permissions.ts";
import { randomParameters, TINY_SPECS, TINY_UNET } from "../tiny_unet.ts";

Deno.test({
  name: "releaseCheckpoint() writes the average rounded to float16, a card and no training state",
  ignore: !permitted({ name: "read" }) || !permitted({ name: "write" }),
  fn: async () => {
    const run = await Deno.makeTempDir();
    try {
      const parameters = randomParameters();
      const ema = ravel(parameters, TINY_SPECS);
      const zeros = float32(new Float32Array(ema.data.length));
      await saveCheckpoint(
        run,
        imageCheckpoint({
          ...{ network: TINY_UNET, schedule: noiseSchedule(), sampler: "ddim" },
          samplerOptions: {},
          state: { parameters: zeros, ema, optimizer: { mean: zeros, variance: zeros } },
          ...{ step: 1, seed: 0, configHash: "abc" },
        }),
      );
      await releaseCheckpoint(run, `${run}/released`, "# Card\n");
      const released = await loadCheckpoint(`${run}/released`, { state: false });
      assertEquals(released.card, "# Card\n");
      assertEquals(released.state, undefined);
      for (const { dtype } of released.components["unet"]!.weights!.values()) {
        assertEquals(dtype, "F16");
      }
      for (const [name, { data }] of Object.entries(loadImageModel(released).parameters)) {
        assertEquals([...data], [...parameters[name]!.data].map(Math.f16round), name);
      }
    } finally {
      await Deno.remove(run, { recursive: true });
    }
  },
});
