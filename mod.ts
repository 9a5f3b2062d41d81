/**
 * nanoDiffusion: diffusion models in TypeScript, on TensorFlow.js as the modelling language and ONNX Runtime
 * (or any tfjs backend) as the engine.
 *
 * The mathematics is plain functions: {@linkcode noiseSchedule}, {@linkcode qSample},
 * {@linkcode posterior}, the samplers {@linkcode ddpm} and {@linkcode ddim}. Models are functions of
 * parameters and tensors: {@linkcode unet}, {@linkcode dit}, {@linkcode bert}, {@linkcode gpt2}.
 * {@linkcode openDevice} opens a device; {@linkcode Device.compile} turns a pure function of tensors into
 * one graph. {@linkcode compileTrainStep} and {@linkcode train} train a model.
 *
 * More is in the entry points `./samplers`, `./metrics`, `./safetensors`, `./engine` and `./types`.
 *
 * @example Sampling with a denoiser of one's own
 * ```ts
 * import { ddim, lastSample, noiseSchedule, randomStream } from "@nanodiffusion/nanodiffusion";
 *
 * const schedule = noiseSchedule({ betaSchedule: "squaredcos_cap_v2" });
 * // The exact denoiser of data that is 0.5 everywhere: it predicts the noise.
 * const denoise = (x: Float32Array, t: number) => {
 *   const signal = Math.sqrt(schedule.alphasCumprod[t]!);
 *   const noise = Math.sqrt(1 - schedule.alphasCumprod[t]!);
 *   return Promise.resolve(x.map((value) => (value - 0.5 * signal) / noise));
 * };
 * const start = randomStream(0).normal(4);
 * const sample = await lastSample(ddim(denoise, start, schedule, { numInferenceSteps: 10 }));
 * console.assert(sample.every((value) => Math.abs(value - 0.5) < 1e-3));
 * ```
 *
 * @module
 */
export { UserError } from "./base/errors.ts";
export { batcher, gatherImages } from "./datasets/batches.ts";
export { openModelFiles } from "./datasets/download/hub.ts";
export {
  FASHION_MNIST_CLASSES,
  type FashionMnist,
  loadFashionMnist,
} from "./datasets/fashion_mnist.ts";
export { loadGsm8k } from "./datasets/gsm8k.ts";
export { loadHotelReviews } from "./datasets/hotel_reviews.ts";
export { parseIdx } from "./datasets/idx.ts";
export { loadImageFiles } from "./datasets/image_files.ts";
export { loadImageFolder } from "./datasets/image_folder.ts";
export { generateMultiplication } from "./datasets/multiplication.ts";
export { parseOwnTexts } from "./datasets/own_texts.ts";
export { toModelRange, toPixels } from "./datasets/pixels.ts";
export { holdOut } from "./datasets/split.ts";
export { loadWinogrande } from "./datasets/winogrande.ts";
export { loadWsc273 } from "./datasets/wsc273.ts";
export { bitsPerDimension } from "./diffusion/bits_per_dimension.ts";
export { dynamicThreshold } from "./diffusion/dynamic_threshold.ts";
export { encode } from "./diffusion/encode.ts";
export { drawFlowTimes, flowBatch } from "./diffusion/flow_matching.ts";
export { qSample } from "./diffusion/forward.ts";
export { classifierFreeGuidance, guidanceInterval, rescaleGuidance } from "./diffusion/guidance.ts";
export { hybridBatch, hybridLosses } from "./diffusion/hybrid_loss.ts";
export { imageToImage, inpaint } from "./diffusion/inpaint.ts";
export { slerp } from "./diffusion/interpolate.ts";
export { minSnrWeights, p2Weights } from "./diffusion/loss.ts";
export { dit } from "./diffusion/networks/dit.ts";
export { DIT_DEFAULTS, type DitConfig } from "./diffusion/networks/dit_config.ts";
export { ditSpecs } from "./diffusion/networks/dit_specs.ts";
export {
  type CompiledDenoiser,
  compileImageDenoiser,
  type NetworkWithWeights,
} from "./diffusion/networks/image_denoiser.ts";
export {
  describeNetwork,
  type ImageNetwork,
  networkSpecs,
  trainableDenoiser,
} from "./diffusion/networks/image_network.ts";
export { unet, unetSpecs } from "./diffusion/networks/unet.ts";
export {
  UNET_DEFAULTS,
  type UNetConfig,
  unetConfig,
  unetConfigFromJson,
  unetConfigToJson,
} from "./diffusion/networks/unet_config.ts";
export {
  type DiffusionBatch,
  diffusionBatch,
  diffusionLosses,
  type LossFunction,
  type TrainableDenoiser,
} from "./diffusion/objective.ts";
export { posterior } from "./diffusion/posterior.ts";
export { ddim } from "./diffusion/samplers/ddim.ts";
export { ddpm } from "./diffusion/samplers/ddpm.ts";
export {
  type Denoiser,
  lastSample,
  type SamplerOptions,
  type SamplerStep,
} from "./diffusion/samplers/types.ts";
export { fromSchedulerConfig, schedulerConfig } from "./diffusion/scheduler_config.ts";
export {
  type BetaSchedule,
  type NoiseSchedule,
  noiseSchedule,
  type PredictionType,
  type ScheduleConfig,
} from "./diffusion/schedules.ts";
export { drawTimesteps } from "./diffusion/timestep_sampling.ts";
export { variationalBound } from "./diffusion/variational_bound.ts";
export {
  type Compiled,
  type Device,
  type DeviceOptions,
  type OnDevice,
  openDevice,
} from "./engine/device.ts";
export { float32, type HostArray, int32, scalar } from "./engine/tree.ts";
export { imageCheckpoint, type LoadedImageModel, loadImageModel } from "./image/checkpoint.ts";
export { openCheckpoint } from "./image/open_checkpoint.ts";
export { drawSamples, type SamplingOptions } from "./image/sampling/samples.ts";
export { gelu, silu } from "./nn/activations.ts";
export { type AdamWOptions, adamWStep } from "./nn/adamw.ts";
export { attention } from "./nn/attention.ts";
export { emaDecayAt } from "./nn/ema.ts";
export { groupNorm } from "./nn/group_norm.ts";
export { layerNorm } from "./nn/layer_norm.ts";
export {
  conv2d,
  conv2dSpecs,
  embedding,
  embeddingSpecs,
  linear,
  linearSpecs,
  normSpecs,
} from "./nn/layers.ts";
export { learningRateAt } from "./nn/learning_rate.ts";
export {
  constants,
  countParameters,
  type HostParameters,
  type Initializer,
  initParameters,
  type Parameters,
  type ParameterSpec,
  type ParameterSpecs,
  ravel,
  unravel,
} from "./nn/parameters.ts";
export { RandomStream, randomStream } from "./nn/random.ts";
export { timestepEmbedding } from "./nn/timestep_embedding.ts";
export { compileClassifier } from "./image/classifier/classify.ts";
export { loadClassifier } from "./image/classifier/checkpoint.ts";
export { drawGrid } from "./report/grid.ts";
export { encodePng } from "./report/png.ts";
export { type LoadedTextVae, openTextVae } from "./text/autoencoder/checkpoint.ts";
export { loadCheckpoint } from "./training/checkpoint/checkpoint.ts";
export { saveCheckpoint } from "./training/checkpoint/folders.ts";
export { denoiserLoss } from "./training/denoiser_loss.ts";
export { type LoopStep, train, type TrainingConfig } from "./training/loop.ts";
export { MetricsLog } from "./training/metrics.ts";
export { compileTrainStep, type TrainState, type TrainStep } from "./training/step.ts";
export { compileValidationLoss } from "./training/validation_loss.ts";
export { MeanWindow } from "./training/windows.ts";
export { beamSearch } from "./vae/beam_search.ts";
export { bert, BERT_BASE, type BertConfig, bertSpecs, bertStates } from "./vae/bert.ts";
export { maskedLmLogits } from "./vae/bert_masked_lm.ts";
export { inputCorruption } from "./vae/corruption.ts";
export { gpt2, GPT2_SMALL, type Gpt2Config, gpt2Loss, gpt2Specs } from "./vae/gpt2.ts";
export { compileGpt2Decoder, type Gpt2Decoder } from "./vae/gpt2_decoder.ts";
export { loadBert, loadGpt2 } from "./vae/pretrained.ts";
export { compileTextCodec, type TextCodec } from "./vae/text_codec.ts";
export { textVaeSpecs } from "./vae/text_vae.ts";
export type { TextVaeConfig } from "./vae/text_vae_config.ts";
export { textVaeLoss } from "./vae/text_vae_loss.ts";
export { trainBpe } from "./vae/tokenizer/bpe.ts";
export { loadTokenizer } from "./vae/tokenizer/files.ts";
export { TextTokenizer } from "./vae/tokenizer/tokenizer.ts";
