/** Stage `diffusion` of text.ts: trains a denoiser of latents. */
import { runDetails } from "../../cli/compare_runs.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { openTraining, resumeRun } from "../../cli/training.ts";
import type { TrainableDenoiser } from "../../diffusion/objective.ts";
import {
  constants,
  countParameters,
  type HostParameters,
  initParameters,
  type ParameterSpecs,
  unravel,
} from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import { denoiserLoss } from "../../training/denoiser_loss.ts";
import { compileTrainStep } from "../../training/step.ts";
import {
  compileValidationLoss,
  DIFFUSION_COLUMNS,
  validationColumns,
} from "../../training/validation_loss.ts";
import { MeanWindow } from "../../training/windows.ts";
import { checkConditionLengths } from "../condition_tokens.ts";
import { DENOISER_EXTENDABLE, type DenoiserConfig } from "../settings.ts";
import { LatentBatches } from "./batches.ts";
import { textDiffusionCheckpoint } from "./checkpoint.ts";
import { denoiserOf, scheduleOf } from "./config.ts";
import type { EncodingTask } from "./encode.ts";
import type { TextLatents } from "./latents.ts";
import { latentLosses } from "./losses.ts";
import {
  conditionEncoderSpecs,
  latentDenoiserSpecs,
  type TextDenoiserConfig,
  trainableDenoiser,
} from "./network.ts";

/** Columns of diffusion/metrics.csv. */
export const DENOISER_METRICS = [...DIFFUSION_COLUMNS, "textsPerSecond"] as const;

/** The denoiser, the parameters that are trained, and those that stay as they are in the autoencoder. */
function denoiserParts(
  model: TextDenoiserConfig,
  { conditionReader }: Pick<DenoiserConfig, "conditionReader">,
  vae: { readonly parameters: HostParameters },
) {
  const readerSpecs = conditionEncoderSpecs(model);
  const readerOfVae = Object.fromEntries(
    Object.keys(readerSpecs).map((name) => [name, vae.parameters[name]!]),
  );
  const isFrozen = conditionReader === "vae";
  const specs: ParameterSpecs = {
    ...latentDenoiserSpecs(model),
    ...(isFrozen ? {} : readerSpecs),
  };
  const frozen = isFrozen ? readerOfVae : {};
  const denoiser = trainableDenoiser(model);
  const denoise: TrainableDenoiser = (parameters, inputs) =>
    denoiser({ ...constants(frozen), ...parameters }, inputs);
  return {
    denoise,
    specs,
    frozen,
    pretrained: conditionReader === "vae_trained" ? readerOfVae : {},
  };
}

/** Trains a denoiser, from its last checkpoint if there is one. */
export async function trainDenoiser(
  { device, vae, data, config, run, latents, seed, log }: Omit<EncodingTask, "folder"> & {
    readonly run: Pick<RunFolder, "directory" | "record">;
    readonly latents: TextLatents;
    readonly seed: number;
    readonly log: (line: string) => void;
  },
): Promise<{ readonly interrupted: boolean }> {
  const random = randomStream(seed).stream("diffusion");
  const { train, validation, classes } = data.examples(config);
  const { model, tokens } = denoiserOf(config, vae, classes);
  const schedule = scheduleOf(config);
  checkConditionLengths([...train, ...validation], { config, vae, tokens });

  // The model: from the last checkpoint, or from scratch.
  const { denoise, specs, frozen, pretrained } = denoiserParts(model, config, vae);
  const { weightDecay, maxGradNorm } = config;
  const trainStep = compileTrainStep(device, {
    specs,
    optimizer: { weightDecay, maxGradNorm },
    loss: denoiserLoss(denoise, latentLosses),
  });
  const checkpoint = await resumeRun(run, DENOISER_EXTENDABLE);
  const state = checkpoint === undefined
    ? trainStep.start({ ...initParameters(specs, random.stream("weights")), ...pretrained })
    : trainStep.restore(loadTrainState(checkpoint, specs));

  // Batches, and what is measured.
  const batches = new LatentBatches({
    config,
    schedule,
    latents,
    classes: classes?.length ?? null,
    tokens,
  });
  const [batchAt, heldOut] = [batches.training(train, random), batches.validation(validation)];
  const validationLoss = compileValidationLoss(device, {
    denoise,
    specs,
    numTrainTimesteps: config.timesteps,
    lossFunction: latentLosses,
  });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  const checkpointOf = (step: number) =>
    textDiffusionCheckpoint({
      config: model,
      schedule,
      scale: latents,
      vae: vae.hash,
      latentsHash: vae.latentsHash,
      state,
      step,
      seed,
      parameters: { ...frozen, ...unravel(state.ema, specs) },
      isFlow: config.objective === "flow_matching",
      configHash: run.record.configHash,
      details: { window: window.toJson(), run: runDetails(run.record) },
    });

  await using training = await openTraining({
    description: `diffusion: ${countParameters(specs).toLocaleString("en")} parameters, ` +
      `${train.length} examples, ${model.dit.sampleSize} latents of ${vae.config.latentWidth} numbers`,
    log,
    directory: run.directory,
    device,
    config,
    unit: "texts",
    label: "diffusion step",
    columns: DENOISER_METRICS,
    checkpoint,
  });
  for await (const step of training.steps({ trainStep, batchAt, state })) {
    window.addStep(step);
    window.addLosses(step.figures.losses.data, step.timesteps, config.timesteps);
    if (step.logs) {
      const measured = step.measures ? await validationLoss(state.ema, heldOut) : undefined;
      await training.log(step, window, validationColumns(measured));
    }
    if (step.saves) await training.save(step, checkpointOf(step.step));
  }
  await trainStep.dispose();
  await validationLoss.dispose();
  return { interrupted: training.interrupted };
}
