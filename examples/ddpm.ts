/**
 * Denoising diffusion probabilistic models (Ho et al. 2020, arXiv:2006.11239) on FashionMNIST, from the data
 * to a picture: network, loss, training and sampling on tensors alone.
 *
 *     deno run -A examples/ddpm.ts [STEPS] [SAMPLES] [FILE.png]
 */
import { batcher, gatherImages } from "../datasets/batches.ts";
import { loadFashionMnist } from "../datasets/fashion_mnist.ts";
import { openDevice } from "../engine/device.ts";
import { adamMemory } from "../engine/fused_adam.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import { silu } from "../nn/activations.ts";
import { adamWStep } from "../nn/adamw.ts";
import { selfAttention } from "../nn/attention.ts";
import { groupNorm } from "../nn/group_norm.ts";
import { conv2d, conv2dSpecs, linear, linearSpecs, normSpecs } from "../nn/layers.ts";
import { countParameters, type HostParameters, initParameters } from "../nn/parameters.ts";
import { type Parameters, type ParameterSpecs, unravel } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { timestepEmbedding } from "../nn/timestep_embedding.ts";
import { drawGrid } from "../report/grid.ts";
import { encodePng } from "../report/png.ts";

const [steps, samples] = [Number(Deno.args[0] ?? 2000), Number(Deno.args[1] ?? 40)];
const [, , file = "ddpm.png"] = Deno.args;
const [T, SIDE, BATCH, RATE] = [1000, 28, 64, 1e-3];
const WIDTHS = [32, 64, 64]; // channels at 28x28, 14x14 and 7x7

// The schedule: q(x_t | x_0) = N(sqrt(alphaCumprod_t) x_0, 1 - alphaCumprod_t), equation 4.
const betas = Float64Array.from({ length: T }, (_, t) => 1e-4 + (0.02 - 1e-4) * t / (T - 1));
const alphasCumprod = new Float64Array(T);
betas.forEach((beta, t) => alphasCumprod[t] = (1 - beta) * (alphasCumprod[t - 1] ?? 1));

// The network: a UNet of residual blocks that know the timestep (appendix B).
const specs: Record<string, ParameterSpecs[string]> = {};
const add = (...more: ParameterSpecs[]) => Object.assign(specs, ...more);

function addBlock(name: string, inputs: number, outputs: number) {
  add(normSpecs(`${name}.norm1`, inputs), conv2dSpecs(`${name}.conv1`, inputs, outputs, 3));
  add(linearSpecs(`${name}.time`, WIDTHS[0]!, outputs), normSpecs(`${name}.norm2`, outputs));
  add(conv2dSpecs(`${name}.conv2`, outputs, outputs, 3, { zero: true }));
  if (inputs !== outputs) add(conv2dSpecs(`${name}.skip`, inputs, outputs, 1));
}

const conv3x3 = (p: Parameters, name: string, x: tf.Tensor4D) => conv2d(p, name, x, { padding: 1 });
const normSilu = (p: Parameters, name: string, x: tf.Tensor4D) =>
  silu(groupNorm(p, name, x, { groups: 8 }));

function block(p: Parameters, name: string, x: tf.Tensor4D, time: tf.Tensor): tf.Tensor4D {
  const layer = (i: number, x: tf.Tensor4D) =>
    conv3x3(p, `${name}.conv${i}`, normSilu(p, `${name}.norm${i}`, x));
  const bias = linear(p, `${name}.time`, time);
  const h = layer(2, tf.add(layer(1, x), tf.reshape(bias, [-1, 1, 1, bias.shape[1]!])));
  return tf.add(h, `${name}.skip.weight` in p ? conv2d(p, `${name}.skip`, x) : x);
}

add(linearSpecs("time1", WIDTHS[0]!, WIDTHS[0]!), linearSpecs("time2", WIDTHS[0]!, WIDTHS[0]!));
add(conv2dSpecs("in", 1, WIDTHS[0]!, 3), normSpecs("norm", WIDTHS[0]!));
add(conv2dSpecs("out", WIDTHS[0]!, 1, 3, { zero: true }));
WIDTHS.forEach((width, i) => {
  addBlock(`down${i}`, WIDTHS[i - 1] ?? width, width);
  addBlock(`up${i}`, width + (WIDTHS[i + 1] ?? width), width);
});
addBlock("middle", WIDTHS.at(-1)!, WIDTHS.at(-1)!);
for (const name of ["q", "k", "v", "attended"]) {
  add(linearSpecs(name, WIDTHS.at(-1)!, WIDTHS.at(-1)!, { zero: name === "attended" }));
}

/** Predicts the noise in x [B, 28, 28, 1] at timesteps t [B]: epsilon_theta(x_t, t). */
function unet(p: Parameters, x: tf.Tensor4D, t: tf.Tensor1D): tf.Tensor4D {
  let time = linear(p, "time1", timestepEmbedding(t, WIDTHS[0]!));
  time = silu(linear(p, "time2", silu(time)));
  let h = conv3x3(p, "in", x);
  const skips = WIDTHS.map((_, i) => {
    if (i > 0) h = tf.avgPool(h, 2, 2, "valid");
    return h = block(p, `down${i}`, h, time);
  });
  h = block(p, "middle", h, time);
  const pixels = tf.reshape(h, [h.shape[0], -1, WIDTHS.at(-1)!]) as tf.Tensor3D;
  const attended = selfAttention(p, ["q", "k", "v"], pixels, { heads: 1 });
  h = tf.add(h, tf.reshape(linear(p, "attended", attended), h.shape));
  for (let i = WIDTHS.length - 1; i >= 0; i--) {
    const [, height, width] = skips[i]!.shape;
    h = tf.image.resizeNearestNeighbor(h, [height, width]); // by 1 or 2
    h = block(p, `up${i}`, tf.concat([h, skips[i]!], 3), time);
  }
  return conv3x3(p, "out", normSilu(p, "norm", h));
}

// Training: L_simple = E |epsilon - epsilon_theta(x_t, t)|^2, equation 14 and algorithm 1.
const device = await openDevice("onnx");
const { train } = await loadFashionMnist();
const random = randomStream(0);
const memory = adamMemory(countParameters(specs));
const parameters = unravel(float32(memory.parameters), specs);
const gradient = unravel(float32(memory.gradient), specs);
const initial = initParameters(specs, random.stream("weights"));
for (const name of Object.keys(specs)) parameters[name]!.data.set(initial[name]!.data);
const examplesOf = batcher({ size: train.labels.length, batchSize: BATCH, random });
type Inputs = Record<"x0" | "t" | "alphaCumprod" | "noise", HostArray> & { p: HostParameters };
const lossAndGradients = device.compile<Inputs, { loss: HostArray; grads: HostParameters }>(
  ({ p, x0, t, alphaCumprod, noise }) => {
    const names = Object.keys(specs);
    const [signal, deviation] = [tf.sqrt(alphaCumprod), tf.sqrt(tf.sub(1, alphaCumprod))];
    const x = tf.add(tf.mul(signal, x0), tf.mul(deviation, noise)) as tf.Tensor4D;
    const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) => {
      const p = Object.fromEntries(names.map((name, i) => [name, weights[i]!]));
      return tf.mean(tf.squaredDifference(unet(p, x, t as tf.Tensor1D), noise)) as tf.Scalar;
    })(names.map((name) => p[name]!));
    return { loss: value, grads: Object.fromEntries(names.map((name, i) => [name, grads[i]!])) };
  },
);
for (let step = 1; step <= steps; step++) {
  const draw = random.stream("training").at(step);
  const { images } = gatherImages(train, examplesOf(step));
  const t = draw.uniform(BATCH, 0, T).map(Math.floor);
  const { loss, grads } = await lossAndGradients({
    p: parameters,
    x0: float32(Float32Array.from(images, (pixel) => pixel / 127.5 - 1), [BATCH, SIDE, SIDE, 1]),
    t: float32(t),
    alphaCumprod: float32(t.map((t) => alphasCumprod[t]!), [BATCH, 1, 1, 1]),
    noise: float32(draw.normal(images.length), [BATCH, SIDE, SIDE, 1]),
  });
  for (const name of Object.keys(specs)) gradient[name]!.data.set(grads[name]!.data);
  const [learningRate, emaDecay] = [RATE * Math.min(1, step / 100), step / (step + 50)];
  adamWStep(memory, memory.gradientNorm(), { step, learningRate, emaDecay }, { maxGradNorm: 1 });
  if (step % 20 === 0) console.log(`step ${step}  loss ${loss.data[0]!.toFixed(4)}`);
}
await lossAndGradients.dispose();

// Sampling: from pure noise to an image, one timestep at a time, equation 11 and algorithm 2.
const averaged = unravel(float32(memory.average), specs);
const predictNoise = device.compile<{ p: HostParameters; x: HostArray; t: HostArray }, HostArray>(
  ({ p, x, t }) => unet(p, x as tf.Tensor4D, t as tf.Tensor1D),
);
let x = random.stream("samples").normal(samples * SIDE ** 2);
for (let t = T - 1; t >= 0; t--) {
  const input = { x: float32(x, [samples, SIDE, SIDE, 1]), t: float32(Array(samples).fill(t)) };
  const epsilon = await predictNoise({ p: averaged, ...input });
  const z = t > 0 ? random.stream("samples").at(t).normal(x.length) : new Float32Array(x.length);
  const [beta, deviation] = [betas[t]!, Math.sqrt(1 - alphasCumprod[t]!)];
  const mean = x.map((x, i) => (x - beta / deviation * epsilon.data[i]!) / Math.sqrt(1 - beta));
  x = mean.map((mean, i) => mean + Math.sqrt(beta) * z[i]!);
}
await predictNoise.dispose();
const data = Uint8ClampedArray.from(x, (x) => 127.5 * (x + 1));
const pictures = { width: SIDE, height: SIDE, channels: 1, data: new Uint8Array(data) } as const;
await Deno.writeFile(file, encodePng(drawGrid(pictures, { columns: 8 })));
console.log(`wrote ${file}`);
