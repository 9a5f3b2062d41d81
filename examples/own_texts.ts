/**
 * Trains a diffusion transformer on the latents of texts, one a line, and prints new ones. The released
 * autoencoder for hotel reviews makes the latents, so texts of that kind work best.
 *
 *     deno run -A examples/own_texts.ts FILE.txt [STEPS]
 */
import * as nd from "../mod.ts";
import type { Tensor1D } from "../types.ts";

const [file, steps = "2000"] = Deno.args;
if (file === undefined) throw new Error("name a file with texts: .txt, .csv or .jsonl");
const { texts, where } = nd.parseOwnTexts(await Deno.readFile(file), file);
console.log(`${texts.length} texts, ${where}`);
const [vae, device] = [await nd.openTextVae("checkpoints/text-vae"), await nd.openDevice("onnx")];
const codec = nd.compileTextCodec(device, vae, vae.tokenizer.id("eos"));
const [pad, length] = [vae.encoderTokenizer.id("pad"), vae.config.encoder.maxPositionEmbeddings];
const rows = texts.map(({ text }) => vae.encoderTokenizer.encode(text, { addSpecialTokens: true }))
  .filter((ids) => ids.length <= length)
  .map((ids) => Array.from({ length }, (_, i) => ids[i] ?? pad));
const [N, inputIds] = [rows.length, nd.int32(rows.flat(), [rows.length, length])];
if (N === 0) throw new Error(`all texts have more than ${length} tokens`);
const attentionMask = nd.int32(rows.flat().map((id) => id === pad ? 0 : 1), [N, length]);
const latents = await codec.encode({ inputIds, attentionMask }); // [N, k, d], about standard normal
const [, k, d] = latents.shape as [number, number, number];

const model = {
  sampleSize: k,
  patchSize: null,
  inChannels: d,
  numEmbedsAdaNorm: null,
  numLayers: 4,
};
const config = { ...nd.DIT_DEFAULTS, ...model, numAttentionHeads: 4, attentionHeadDim: 32 };
const [specs, random, B] = [nd.ditSpecs(config), nd.randomStream(0), 16];
const schedule = nd.noiseSchedule({
  betaSchedule: "squaredcos_cap_v2",
  predictionType: "v_prediction",
});
const loss = nd.denoiserLoss((p, { x, timesteps }) => nd.dit(p, { x, timesteps }, config));
const trainStep = nd.compileTrainStep(device, { specs, optimizer: {}, loss });
let state = trainStep.start(nd.initParameters(specs, random.stream("weights")));
for (let step = 1; step <= Number(steps); step++) {
  const draw = random.at(step);
  const chosen = [...draw.integers(B, 0, N)].map((i) =>
    latents.data.slice(i * k * d, (i + 1) * k * d)
  );
  const x0 = nd.float32(chosen.flatMap((values) => [...values]), [B, k, d]);
  const given = { x0, noise: draw.normal(B * k * d), timesteps: nd.drawTimesteps(draw, B, 1000) };
  const batch = nd.diffusionBatch(schedule, given);
  ({ state } = await trainStep(state, batch, { step, learningRate: 5e-4, emaDecay: 0.99 }));
}
type Inputs = { p: nd.HostParameters; x: nd.HostArray; timesteps: nd.HostArray };
const network = device.compile<Inputs, nd.HostArray>(({ p, x, timesteps }) =>
  nd.dit(p, { x, timesteps: timesteps as Tensor1D }, config)
);
const p = nd.unravel(state.ema, specs);
const denoise: nd.Denoiser = async (x, t) => {
  const output = await network({
    p,
    x: nd.float32(x, [4, k, d]),
    timesteps: nd.float32(Array(4).fill(t)),
  });
  return output.data as Float32Array;
};
const options = { numInferenceSteps: 50, clipSample: false, timestepSpacing: "trailing" } as const;
const x0 = await nd.lastSample(nd.ddim(denoise, random.normal(4 * k * d), schedule, options));
for (const ids of await codec.decode(nd.float32(x0, [4, k, d]))) {
  console.log(vae.tokenizer.decode(ids));
}
