/**
 * Writes what a checkpoint's network answers to a few inputs, for check_checkpoint.py:
 *
 *     deno run -A tests/python/network_output.ts runs/NAME/checkpoints/step-000030 output.json
 *
 * Arrays are flat, images [B, C, H, W], as PyTorch has them.
 */
import { compileImageDenoiser } from "../../diffusion/networks/image_denoiser.ts";
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import { openDevice } from "../../engine/device.ts";
import { randomStream } from "../../nn/random.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import { loadImageModel } from "../../image/checkpoint.ts";

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
  console.error("usage: network_output.ts CHECKPOINT OUTPUT.json");
  Deno.exit(2);
}
const directory = await resolveCheckpoint(path);
const { parameters, config, schedule } = loadImageModel(
  await loadCheckpoint(directory),
);
const network = describeNetwork(config);
const { height, width, channels, numClassEmbeds } = network;
const random = randomStream(0).stream("python");
const x = random.stream("x").normal(BATCH * height * width * channels);
const labels = numClassEmbeds === null
  ? undefined
  : random.stream("labels").integers(BATCH, 0, numClassEmbeds);
const last = schedule.numTrainTimesteps - 1;

const denoiser = compileImageDenoiser(await openDevice("onnx"), { parameters, config });
const denoise = denoiser.condition({
  keepVariance: true,
  ...(labels === undefined ? {} : { classLabels: labels }),
});
const cases = [];
for (const timestep of [0, Math.floor(last / 3), last]) {
  const output = await denoise(x, timestep);
  cases.push({ timestep, output: channelsFirst(output, channels * output.length / x.length) });
}
await denoiser.dispose();
await Deno.writeTextFile(
  output,
  JSON.stringify({
    directory,
    shape: [BATCH, channels, height, width],
    x: channelsFirst(x, channels),
    labels: labels === undefined ? null : [...labels],
    cases,
    alphasCumprod: [...schedule.alphasCumprod],
  }),
);
