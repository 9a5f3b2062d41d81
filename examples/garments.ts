/**
 * Opens a checkpoint, samples from it with another sampler, and writes a PNG file.
 *
 *     deno run -A examples/garments.ts [CHECKPOINT] [FILE.png]
 */
import {
  describeNetwork,
  drawGrid,
  drawSamples,
  encodePng,
  FASHION_MNIST_CLASSES,
  loadCheckpoint,
  loadImageModel,
  openDevice,
  randomStream,
  type SamplingOptions,
} from "../mod.ts";

const [checkpoint = "checkpoints/fashion-mnist", file = "garments.png"] = Deno.args;
const device = await openDevice("onnx");
const model = loadImageModel(await loadCheckpoint(checkpoint));
const { height, width } = describeNetwork(model.config, 1);
const sampling: SamplingOptions = {
  parameters: model.parameters,
  config: model.config,
  schedule: model.schedule,
  sampler: "dpmpp_multistep",
  samplerOptions: { numInferenceSteps: 10, timestepSpacing: "trailing", solverOrder: 2 },
  nullClass: FASHION_MNIST_CLASSES.length, // the label of no class
  guidance: { guidanceScale: 1.5 },
};
const pixels = await drawSamples(device, sampling, {
  labels: Int32Array.from(FASHION_MNIST_CLASSES.keys()), // one of each class
  random: randomStream(0),
});
const grid = drawGrid({ width, height, channels: 1, data: pixels }, { columns: 5 });
await Deno.writeFile(file, encodePng(grid));
console.log(`wrote ${file}`);
