/**
 * Opens a UNet of the Hugging Face hub, or of a folder, samples from it with another sampler than its own, and
 * writes a PNG file.
 *
 *     deno run -A examples/hub_checkpoint.ts [OWNER/NAME] [FILE.png] [STEPS]
 */
import {
  describeNetwork,
  drawGrid,
  drawSamples,
  encodePng,
  loadImageModel,
  openCheckpoint,
  openDevice,
  randomStream,
} from "../mod.ts";

const [name = "google/ddpm-cifar10-32", file = "hub_checkpoint.png", steps = "20"] = Deno.args;
const checkpoint = await openCheckpoint(name, { log: console.error });
const model = loadImageModel(checkpoint);
const { height, width, channels, numClassEmbeds } = describeNetwork(model.config);
if (channels !== 1 && channels !== 3) {
  throw new Error(`${name} makes images of ${channels} channels`);
}
console.log(
  `${checkpoint.directory}: ${width}x${height}x${channels}, its sampler is ${model.sampler}`,
);

const device = await openDevice("onnx");
const pixels = await drawSamples(device, {
  parameters: model.parameters,
  config: model.config,
  schedule: model.schedule,
  sampler: "unipc",
  samplerOptions: { numInferenceSteps: Number(steps), timestepSpacing: "trailing" },
}, {
  labels: Int32Array.from({ length: 8 }, (_, i) => i % (numClassEmbeds ?? 1)),
  random: randomStream(0),
  onProgress: (done, total) => console.log(`${done} of ${total}`),
});
const grid = drawGrid({ width, height, channels, data: pixels }, { columns: 4 });
await Deno.writeFile(file, encodePng(grid));
