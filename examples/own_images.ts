/**
 * Trains a small UNet on the pictures of a folder, and writes a PNG file with samples.
 *
 *     deno run -A examples/own_images.ts FOLDER [STEPS] [FILE.png]
 */
import * as nd from "../mod.ts";

const [folder, steps = "2000", file = "own_images.png"] = Deno.args;
if (folder === undefined) throw new Error("name a folder with pictures; folders in it are classes");
const { train: set, ...images } = await nd.loadImageFolder(folder, { size: 32, log: console.log });
const { channels, classNames, height, width } = images;
console.log(images.description);

const config = nd.unetConfig({
  sampleSize: 32,
  inChannels: channels,
  outChannels: channels,
  blockOutChannels: [16, 32, 64],
  layersPerBlock: 1,
  normNumGroups: 8,
  numClassEmbeds: classNames.length || null,
});
const schedule = nd.noiseSchedule({ betaSchedule: "squaredcos_cap_v2" });
const [specs, random, B] = [nd.networkSpecs(config), nd.randomStream(0), 8];
const device = await nd.openDevice("onnx");
const loss = nd.denoiserLoss(nd.trainableDenoiser(config));
const trainStep = nd.compileTrainStep(device, { specs, optimizer: {}, loss });
const indices = nd.batcher({ size: set.labels.length, batchSize: B, random });
let state = trainStep.start(nd.initParameters(specs, random.stream("weights")));
for (let step = 1; step <= Number(steps); step++) {
  const [draw, { images: pixels, labels }] = [random.at(step), nd.gatherImages(set, indices(step))];
  const x0 = nd.float32(nd.toModelRange(pixels), [B, height, width, channels]);
  const given = {
    x0,
    noise: draw.normal(x0.data.length),
    timesteps: nd.drawTimesteps(draw, B, 1000),
  };
  const condition = classNames.length > 0 ? { classLabels: nd.int32([...labels]) } : {};
  const batch = nd.diffusionBatch(schedule, { ...given, condition });
  const result = await trainStep(state, batch, { step, learningRate: 3e-4, emaDecay: 0.995 });
  state = result.state;
}
const parameters = nd.unravel(state.ema, specs);
const samplerOptions = { numInferenceSteps: 20, timestepSpacing: "trailing" } as const;
const sampling = { parameters, config, schedule, sampler: "ddim", samplerOptions } as const;
const classes = Int32Array.from({ length: 8 }, (_, i) => i % (classNames.length || 1));
const data = await nd.drawSamples(device, sampling, { labels: classes, random });
await Deno.writeFile(
  file,
  nd.encodePng(nd.drawGrid({ width, height, channels, data }, { columns: 4 })),
);
