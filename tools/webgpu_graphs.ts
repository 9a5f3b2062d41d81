/**
 * Runs small graphs of the programs on onnx-webgpu, and prints a line of JSON for each: a GraphPlaces of
 * tools/devices.ts, which runs this.
 */
import { noiseSchedule } from "../diffusion/schedules.ts";
import { dit } from "../diffusion/networks/dit.ts";
import { DIT_DEFAULTS, type DitConfig } from "../diffusion/networks/dit_config.ts";
import { ditSpecs } from "../diffusion/networks/dit_specs.ts";
import { compileImageDenoiser } from "../diffusion/networks/image_denoiser.ts";
import { trainableDenoiser } from "../diffusion/networks/image_network.ts";
import { unetSpecs } from "../diffusion/networks/unet.ts";
import { diffusionBatch } from "../diffusion/objective.ts";
import { type Device, openDevice } from "../engine/device.ts";
import type * as tf from "../engine/tf.ts";
import { type ArrayTree, float32, type HostArray, int32 } from "../engine/tree.ts";
import { unetConfigOf } from "../image/config.ts";
import { FASHION } from "../image/data.ts";
import { PRESETS } from "../image/presets.ts";
import { constants, initParameters, type ParameterSpecs } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { denoiserLoss } from "../training/denoiser_loss.ts";
import { type BatchLoss, compileTrainStep } from "../training/step.ts";
import { bert, BERT_BASE, bertSpecs } from "../vae/bert.ts";
import { GPT2_SMALL, gpt2Loss, gpt2Specs } from "../vae/gpt2.ts";
import type { GraphPlaces } from "./devices.ts";

const random = randomStream(0);

/** Noised examples of a shape, with the class of each. */
function noised(shape: readonly number[], size: number) {
  return diffusionBatch(noiseSchedule(), {
    x0: float32(random.stream("x0").normal(size), shape),
    noise: random.stream("noise").normal(size),
    timesteps: Int32Array.of(500),
    condition: { classLabels: int32([0]) },
  });
}

async function train<Batch extends ArrayTree>(
  device: Device,
  specs: ParameterSpecs,
  loss: BatchLoss<Batch>,
  batch: Batch,
): Promise<void> {
  const step = compileTrainStep(device, { specs, loss, optimizer: {} });
  const state = step.start(initParameters(specs, random));
  await step(state, batch, { step: 1, learningRate: 1e-4, emaDecay: 0 });
}

const UNET = unetConfigOf(PRESETS.smoke, FASHION);
const PIXELS = 28 * 28;
const DIT: DitConfig = {
  ...DIT_DEFAULTS,
  sampleSize: 4,
  patchSize: null,
  inChannels: 8,
  numLayers: 2,
  numAttentionHeads: 2,
  attentionHeadDim: 8,
  numEmbedsAdaNorm: null,
};
const BERT = {
  ...BERT_BASE,
  vocabSize: 50,
  hiddenSize: 16,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 32,
};
const GPT2 = { ...GPT2_SMALL, vocabSize: 50, nPositions: 8, nEmbd: 16, nLayer: 2, nHead: 2 };
const TOKENS = int32([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]);

const GRAPHS: Readonly<Record<string, (device: Device) => Promise<unknown>>> = {
  "UNet, training": (device) =>
    train(
      device,
      unetSpecs(UNET),
      denoiserLoss(trainableDenoiser(UNET)),
      noised([1, 28, 28, 1], PIXELS),
    ),
  "UNet, sampling": async (device) => {
    const parameters = initParameters(unetSpecs(UNET), random);
    const denoiser = compileImageDenoiser(device, { config: UNET, parameters });
    await denoiser.condition({ classLabels: Int32Array.of(0) })(new Float32Array(PIXELS), 500);
  },
  "DiT, training": (device) =>
    train(
      device,
      ditSpecs(DIT),
      denoiserLoss((parameters, { x, timesteps }) => dit(parameters, { x, timesteps }, DIT)),
      noised([1, DIT.sampleSize, DIT.inChannels], DIT.sampleSize * DIT.inChannels),
    ),
  "BERT": async (device) => {
    const parameters = initParameters(bertSpecs(BERT), random);
    const encode = device.compile<{ inputIds: HostArray }, Record<string, HostArray>>(
      ({ inputIds }) => ({
        ...bert(constants(parameters), { inputIds: inputIds as tf.Tensor2D }, BERT),
      }),
    );
    await encode({ inputIds: TOKENS });
  },
  "GPT-2, training": (device) =>
    train<{ tokens: HostArray }>(
      device,
      gpt2Specs(GPT2),
      (parameters, { tokens }) => ({ loss: gpt2Loss(parameters, tokens as tf.Tensor2D, GPT2) }),
      { tokens: TOKENS },
    ),
};

/** An event of ONNX Runtime's profile. */
interface ProfileEvent {
  readonly cat?: string;
  readonly args?: { readonly provider?: string; readonly op_name?: string };
}

/** Counts the nodes of a profile of one run. */
function placesOf(graph: string, events: readonly ProfileEvent[]): GraphPlaces {
  const places: GraphPlaces = { graph, gpu: 0, copies: 0, processor: {} };
  for (const { cat, args: { provider, op_name: op = "" } = {} } of events) {
    if (cat !== "Node" || provider === undefined) continue;
    if (op.startsWith("Memcpy")) places.copies++;
    else if (provider.startsWith("WebGpu")) places.gpu++;
    else places.processor[op] = (places.processor[op] ?? 0) + 1;
  }
  return places;
}

await Deno.mkdir(".cache", { recursive: true });
const folder = await Deno.makeTempDir({ dir: ".cache" });
try {
  for (const [name, run] of Object.entries(GRAPHS)) {
    const profile = `${folder}/${name.replaceAll(/\W/g, "")}`;
    const device = await openDevice("onnx-webgpu", { profile });
    await run(device);
    await device.dispose(); // writes the profile
    for await (const file of Deno.readDir(folder)) {
      const path = `${folder}/${file.name}`;
      console.log(JSON.stringify(placesOf(name, JSON.parse(await Deno.readTextFile(path)))));
      await Deno.remove(path);
    }
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
