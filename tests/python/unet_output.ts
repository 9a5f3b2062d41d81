/**
 * Writes what a checkpoint's UNet answers to a few inputs, for check_checkpoint.py:
 *
 *     deno run -A tests/python/unet_output.ts runs/NAME/checkpoints/step-000030 output.json
 *
 * Arrays are flat, images [B, C, H, W], as PyTorch has them.
 */
import { sizeOfSample } from "../../diffusion/unet_config.ts";
import { compileUNetDenoiser } from "../../diffusion/unet_denoiser.ts";
import { openDevice } from "../../engine/device.ts";
import { randomStream } from "../../nn/random.ts";
import { loadCheckpoint } from "../../training/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint_folders.ts";
import { loadUNet } from "../../training/unet_checkpoint.ts";

const BATCH = 3;

/** [B, H, W, C] to [B, C, H, W]. */
function channelsFirst(values: Float32Array, channels: number): number[] {
  const pixels = values.length / BATCH / channels;
  return Array.from(values, (_, i) => {
    const [b, c, p] = [
      Math.floor(i / pixels / channels),
      Math.floor(i / pixels) % channels,
      i % pixels,
    ];
    return values[(b * pixels + p) * channels + c]!;
  });
}

const [path, output] = Deno.args;
if (path === undefined || output === undefined) {
  console.error("usage: unet_output.ts CHECKPOINT OUTPUT.json");
  Deno.exit(2);
}
const directory = await resolveCheckpoint(path);
const { parameters, config, schedule } = loadUNet(
  await loadCheckpoint(directory, { state: false }),
);
const { inChannels, outChannels, numClassEmbeds } = config;
const [height, width] = sizeOfSample(config.sampleSize);
const random = randomStream(0).stream("python");
const x = random.stream("x").normal(BATCH * height * width * inChannels);
const labels = numClassEmbeds === null
  ? undefined
  : random.stream("labels").integers(BATCH, 0, numClassEmbeds);
const last = schedule.numTrainTimesteps - 1;

const denoiser = compileUNetDenoiser(await openDevice("onnx"), parameters, config);
const denoise = denoiser.condition(labels === undefined ? {} : { classLabels: labels });
const cases = [];
for (const timestep of [0, Math.floor(last / 3), last]) {
  cases.push({ timestep, output: channelsFirst(await denoise(x, timestep), outChannels) });
}
await denoiser.dispose();
await Deno.writeTextFile(
  output,
  JSON.stringify({
    directory,
    shape: [BATCH, inChannels, height, width],
    x: channelsFirst(x, inChannels),
    labels: labels === undefined ? null : [...labels],
    cases,
    alphasCumprod: [...schedule.alphasCumprod],
  }),
);
