/**
 * The types that the functions of mod.ts take and return, besides those that mod.ts exports itself.
 *
 * @module
 */
export type { FileReader } from "./base/files.ts";
export type { JsonObject, JsonValue } from "./base/json.ts";
export type { BatchOptions, LabelledImages } from "./datasets/batches.ts";
export type { Origin } from "./datasets/dataset.ts";
export type { DownloadOptions } from "./datasets/download/download.ts";
export type { HubOptions } from "./datasets/download/hub.ts";
export type { Network } from "./datasets/download/network.ts";
export type { FashionMnistOptions } from "./datasets/fashion_mnist.ts";
export type { Gsm8k, Gsm8kOptions, Gsm8kThoughts } from "./datasets/gsm8k.ts";
export type { HotelReview, HotelReviews, HotelReviewsOptions } from "./datasets/hotel_reviews.ts";
export type { OwnText, OwnTexts, OwnTextsOptions } from "./datasets/own_texts.ts";
export type { IdxArray } from "./datasets/idx.ts";
export type { ImageFilesOptions } from "./datasets/image_files.ts";
export type { ImageFolderOptions } from "./datasets/image_folder.ts";
export type { ImageKind, ImageSet } from "./datasets/image_set.ts";
export type { Multiplication, MultiplicationOptions, Operands } from "./datasets/multiplication.ts";
export type { Provenance, SourceOptions } from "./datasets/sources.ts";
export type { ThoughtProblem } from "./datasets/thoughts.ts";
export type { WinogradProblem } from "./datasets/winograd.ts";
export {
  type Winogrande,
  WINOGRANDE_SIZES,
  type WinograndeOptions,
  type WinograndeSize,
} from "./datasets/winogrande.ts";
export type { Wsc273 } from "./datasets/wsc273.ts";
export type { BitsPerDimension, BitsPerDimensionOptions } from "./diffusion/bits_per_dimension.ts";
export type { DynamicThresholdOptions } from "./diffusion/dynamic_threshold.ts";
export type { InversionOptions } from "./diffusion/encode.ts";
export {
  type FlowBatchOptions,
  flowTimeDensities,
  type FlowTimeDensity,
  type FlowTimeOptions,
} from "./diffusion/flow_matching.ts";
export type { Guidance, GuidanceOptions, GuidanceRescaleOptions } from "./diffusion/guidance.ts";
export type { HybridBatch, HybridBatchOptions, HybridLosses } from "./diffusion/hybrid_loss.ts";
export type { ImageTask, InpaintTask } from "./diffusion/inpaint.ts";
export type { DiscretizedGaussianOptions } from "./diffusion/likelihood.ts";
export {
  type ElementwiseLossOptions,
  type LossType,
  lossTypes,
  type MinSnrOptions,
  type P2Options,
} from "./diffusion/loss.ts";
export { CONTEXT_MODES } from "./diffusion/networks/dit_config.ts";
export type { DitInputs } from "./diffusion/networks/dit_inputs.ts";
export type { Conditioning } from "./diffusion/networks/image_denoiser.ts";
export type { ImageNetworkConfig } from "./diffusion/networks/image_network.ts";
export type { UNetInputs } from "./diffusion/networks/unet.ts";
export { DOWN_BLOCK_TYPES, UP_BLOCK_TYPES } from "./diffusion/networks/unet_config.ts";
export type {
  BatchTensors,
  DenoiserInputs,
  DiffusionBatchOptions,
  DiffusionLosses,
  TimedBatch,
} from "./diffusion/objective.ts";
export { type Posterior, type VarianceType, varianceTypes } from "./diffusion/posterior.ts";
export type { Coefficients, Timesteps } from "./diffusion/rows.ts";
export {
  type FlowSamplerName,
  flowSamplerNames,
  type SamplerName,
  samplerNames,
} from "./diffusion/samplers/registry.ts";
export {
  type AlgorithmType,
  algorithmTypes,
  type AncestralOptions,
  type CommonOptions,
  type FinalSigmasType,
  finalSigmasTypes,
  type FlowOptions,
  type Sampler,
  type SamplerSteps,
  type SigmaOptions,
  type SlopeVariable,
  slopeVariables,
  type SolverOptions,
  type SolverType,
  solverTypes,
} from "./diffusion/samplers/types.ts";
export type {
  SchedulerConfigOptions,
  SchedulerOptions,
  SchedulerSettings,
} from "./diffusion/scheduler_config.ts";
export { betaSchedules, predictionTypes } from "./diffusion/schedules.ts";
export type { X0Source } from "./diffusion/self_conditioning.ts";
export { type TimestepDraw, timestepDraws } from "./diffusion/timestep_sampling.ts";
export {
  type PreviousTimestepRule,
  previousTimestepRules,
  type TimestepOptions,
  type TimestepSpacing,
  timestepSpacings,
} from "./diffusion/timesteps.ts";
export {
  type BoundInputs,
  type BoundOptions,
  type BoundTerm,
  type BoundVarianceType,
  boundVarianceTypes,
} from "./diffusion/variational_bound.ts";
export {
  DEVICE_CHOICES,
  DEVICE_NAMES,
  type DeviceChoice,
  type DeviceName,
} from "./engine/device_names.ts";
export type { AdamMemory, AdamNumbers, AdamRange, AdamRule } from "./engine/fused_adam.ts";
export type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "./engine/tf.ts";
export type { ArrayTree, DType, Tree } from "./engine/tree.ts";
export type { ImageCheckpointOptions, SavedSettings } from "./image/checkpoint.ts";
export type { SampledStep, SampleRequest } from "./image/sampling/samples.ts";
export { ADAM_RULES, type AdamWSettings } from "./nn/adamw.ts";
export type { AttentionOptions } from "./nn/attention.ts";
export type { EmaOptions } from "./nn/ema.ts";
export type { GroupNormOptions } from "./nn/group_norm.ts";
export type { Dtype, DtypeArrays, HostTensor, NamedTensors } from "./nn/host_tensor.ts";
export type { Conv2dOptions, LayerSpecOptions } from "./nn/layers.ts";
export {
  LEARNING_RATE_SCHEDULES,
  type LearningRateOptions,
  type LearningRateSchedule,
} from "./nn/learning_rate.ts";
export type { TimestepEmbeddingOptions } from "./nn/timestep_embedding.ts";
export type { Classifier } from "./image/classifier/checkpoint.ts";
export type { Classified } from "./image/classifier/classify.ts";
export type { ClassifierConfig } from "./image/classifier/network.ts";
export type { GridOptions } from "./report/grid.ts";
export type { Picture, Pictures } from "./report/picture.ts";
export type { OpenedTextVae } from "./text/autoencoder/checkpoint.ts";
export type {
  Checkpoint,
  CheckpointFiles,
  Component,
  LoadedCheckpoint,
  TrainingState,
} from "./training/checkpoint/checkpoint.ts";
export type { GivenBatch, StepWatch, TrainOptions } from "./training/loop.ts";
export type { BatchLoss, Loss, StepResult, TrainStepOptions } from "./training/step.ts";
export type { ValidationLoss, ValidationLossFunction } from "./training/validation_loss.ts";
export type { BeamOptions } from "./vae/beam_search.ts";
export type { BertInputs, BertOutputs } from "./vae/bert.ts";
export type { MaskedLmParameters } from "./vae/bert_masked_lm.ts";
export {
  AMOUNTS_PER_TEXT,
  type Corruption,
  CORRUPTION_KINDS,
  type CorruptionOptions,
} from "./vae/corruption.ts";
export type { DecoderCache } from "./vae/gpt2_decoder.ts";
export type { BeamDecoding, DecodingMethod, SampleDecoding } from "./vae/latent_decoder.ts";
export type { ModelFiles, PretrainedBert } from "./vae/pretrained.ts";
export type { EncodedInputs, TextVaeModel } from "./vae/text_codec.ts";
export { LATENT_KINDS, LATENT_SOURCES } from "./vae/text_vae_config.ts";
export type { TextVaeBatch, TextVaeLossOptions } from "./vae/text_vae_loss.ts";
export type { TokenChoice } from "./vae/token_choice.ts";
export type { BpeOptions, TokenizerFiles } from "./vae/tokenizer/bpe.ts";
export { SPECIAL_ROLES, type SpecialRole, type SpecialTokens } from "./vae/tokenizer/special.ts";
export type { TokenizeOptions, TokenizerOptions } from "./vae/tokenizer/tokenizer.ts";
