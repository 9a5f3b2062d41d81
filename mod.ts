/**
 * nanoDiffusion: diffusion models in TypeScript, on tfjs as the modelling language and ONNX Runtime (or
 * any tfjs backend) as the engine.
 *
 * The mathematics is plain functions: {@linkcode noiseSchedule}, {@linkcode qSample},
 * {@linkcode posterior}, the samplers {@linkcode ddpm} and {@linkcode ddim}. Models are functions of
 * parameters and tensors: {@linkcode unet}. {@linkcode openDevice} says where they are computed, and
 * {@linkcode Device.compile} turns a pure function of tensors into one graph.
 *
 * Texts: {@linkcode textVaeSpecs} and {@linkcode textVaeLoss} are the autoencoder of {@linkcode bert} and
 * {@linkcode gpt2}; {@linkcode openTextVae} opens a trained one, {@linkcode compileTextCodec} encodes and
 * decodes with it, and {@linkcode loadBert} and {@linkcode loadGpt2} take published weights from a folder
 * or from the hub.
 *
 * @example Sampling with a denoiser of one's own
 * ```ts
 * import { ddim, lastSample, noiseSchedule, randomStream } from "./mod.ts";
 *
 * const schedule = noiseSchedule({ betaSchedule: "squaredcos_cap_v2" });
 * // The exact denoiser of data that is 0.5 everywhere: what is not 0.5 is noise.
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
export * from "./datasets/batches.ts";
export type * from "./datasets/dataset.ts";
export * from "./datasets/fashion_mnist.ts";
export * from "./datasets/download/hub.ts";
export * from "./datasets/gsm8k.ts";
export * from "./datasets/hotel_reviews.ts";
export * from "./datasets/idx.ts";
export { toModelRange, toPixels } from "./datasets/pixels.ts";
export type { Provenance, SourceOptions } from "./datasets/sources.ts";
export type { TextPair } from "./datasets/text_files.ts";
export type { DownloadOptions } from "./datasets/download/download.ts";
export type { PinnedFile } from "./datasets/download/integrity.ts";
export type { Network } from "./datasets/download/network.ts";
export * from "./diffusion/bits_per_dimension.ts";
export * from "./diffusion/dynamic_threshold.ts";
export * from "./diffusion/flow_matching.ts";
export * from "./datasets/multiplication.ts";
export * from "./datasets/thoughts.ts";
export * from "./datasets/winograd.ts";
export * from "./datasets/winogrande.ts";
export * from "./datasets/wsc273.ts";
export * from "./diffusion/forward.ts";
export * from "./diffusion/guidance.ts";
export * from "./diffusion/hybrid_loss.ts";
export * from "./diffusion/networks/image_denoiser.ts";
export * from "./diffusion/networks/image_network.ts";
export * from "./diffusion/learned_variance.ts";
export * from "./diffusion/likelihood.ts";
export * from "./diffusion/schedules.ts";
export * from "./diffusion/loss.ts";
export * from "./diffusion/loss_aware_timesteps.ts";
export * from "./diffusion/objective.ts";
export * from "./diffusion/parameterisation.ts";
export * from "./diffusion/posterior.ts";
export * from "./diffusion/samplers/ddim.ts";
export * from "./diffusion/samplers/ddpm.ts";
export * from "./diffusion/samplers/types.ts";
export * from "./diffusion/samplers/stop_at_sigma.ts";
export * from "./diffusion/samplers/registry.ts";
export type { Coefficients, Timesteps } from "./diffusion/rows.ts";
export * from "./diffusion/scheduler_config.ts";
export * from "./text/denoiser/compiled.ts";
export * from "./diffusion/networks/dit.ts";
export * from "./diffusion/networks/dit_config.ts";
export * from "./diffusion/networks/dit_specs.ts";
export type { DitInputs } from "./diffusion/networks/dit_inputs.ts";
export * from "./diffusion/encode.ts";
export * from "./diffusion/inpaint.ts";
export * from "./diffusion/interpolate.ts";
export * from "./text/denoiser/losses.ts";
export * from "./text/denoiser/schedules.ts";
export * from "./diffusion/samplers/dpmpp_multistep.ts";
export * from "./diffusion/samplers/dpmpp_singlestep.ts";
export * from "./diffusion/samplers/unipc.ts";
export * from "./diffusion/samplers/heun.ts";
export * from "./diffusion/samplers/euler.ts";
export * from "./diffusion/samplers/euler_ancestral.ts";
export * from "./diffusion/samplers/flow_euler.ts";
export * from "./diffusion/samplers/sigmas.ts";
export * from "./diffusion/samplers/plan.ts";
export * from "./diffusion/self_conditioning.ts";
export * from "./text/denoiser/network.ts";
export * from "./diffusion/timestep_sampling.ts";
export * from "./diffusion/timesteps.ts";
export * from "./diffusion/variational_bound.ts";
export * from "./diffusion/networks/unet.ts";
export * from "./diffusion/networks/unet_config.ts";
export * from "./engine/device.ts";
export * from "./engine/fused_adam.ts";
export * from "./base/errors.ts";
export { type OnnxBackendOptions, registerOnnxBackend } from "./engine/onnx/register.ts";
export type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "./engine/tf.ts";
export type { FileReader } from "./base/files.ts";
export type { JsonObject, JsonValue } from "./base/json.ts";
export * from "./engine/tree.ts";
export * from "./metrics/answers.ts";
export * from "./metrics/bleu.ts";
export * from "./metrics/denoising_bleu.ts";
export * from "./image/classifier/network.ts";
export * from "./image/classifier/checkpoint.ts";
export * from "./image/classifier/classify.ts";
export * from "./image/sampling/samples.ts";
export * from "./metrics/feature_statistics.ts";
export * from "./metrics/frechet_distance.ts";
export * from "./metrics/inner_products.ts";
export * from "./metrics/kernel_distance.ts";
export * from "./metrics/nearest_neighbours.ts";
export * from "./metrics/precision_recall.ts";
export * from "./image/evaluation/quality.ts";
export * from "./metrics/mauve.ts";
export * from "./metrics/minimum_bayes_risk.ts";
export * from "./metrics/ngrams.ts";
export * from "./text/evaluation/rating_classifier.ts";
export * from "./metrics/rouge.ts";
export * from "./metrics/text_diversity.ts";
export * from "./metrics/trigram_model.ts";
export * from "./text/autoencoder/quality.ts";
export * from "./text/autoencoder/reconstruction.ts";
export * from "./text/autoencoder/validation_loss.ts";
export * from "./text/autoencoder/interpolation.ts";
export * from "./text/autoencoder/evaluate.ts";
export * from "./training/validation_loss.ts";
export * from "./nn/activations.ts";
export * from "./nn/attention.ts";
export * from "./nn/ema.ts";
export * from "./nn/group_norm.ts";
export * from "./nn/host_tensor.ts";
export * from "./nn/layers.ts";
export * from "./nn/learning_rate.ts";
export * from "./nn/adamw.ts";
export * from "./nn/parameters.ts";
export * from "./nn/random.ts";
export * from "./nn/safetensors.ts";
export * from "./nn/timestep_embedding.ts";
export * from "./nn/upsample.ts";
export * from "./training/checkpoint/checkpoint.ts";
export * from "./training/loop.ts";
export * from "./text/autoencoder/checkpoint.ts";
export * from "./training/step.ts";
export * from "./image/checkpoint.ts";
export * from "./vae/aligned_start.ts";
export * from "./vae/batches.ts";
export * from "./vae/beam_search.ts";
export * from "./vae/bert.ts";
export * from "./vae/bert_config.ts";
export * from "./vae/bert_masked_lm.ts";
export * from "./vae/tokenizer/bpe.ts";
export * from "./vae/buckets.ts";
export * from "./vae/corruption.ts";
export * from "./vae/gpt2.ts";
export * from "./vae/gpt2_config.ts";
export * from "./vae/gpt2_decoder.ts";
export * from "./vae/latent_decoder.ts";
export * from "./vae/pretrained.ts";
export * from "./vae/random_texts.ts";
export * from "./vae/resampler.ts";
export * from "./vae/text_codec.ts";
export * from "./vae/text_vae.ts";
export * from "./vae/text_vae_config.ts";
export * from "./vae/text_vae_json.ts";
export * from "./vae/text_vae_loss.ts";
export * from "./vae/token_choice.ts";
export * from "./vae/tokenizer/tokenizer.ts";
export * from "./vae/tokenizer/files.ts";
export * from "./vae/tokenizer/special.ts";
export * from "./vae/tokenizer/texts.ts";
