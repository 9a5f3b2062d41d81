/** The settings of an image run, and its folder. */
import {
  describeNetwork,
  type ImageNetwork,
  networkSpecs,
} from "../diffusion/networks/image_network.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import type { Device } from "../engine/device.ts";
import type { FashionMnist } from "../datasets/fashion_mnist.ts";
import type { ParameterSpecs } from "../nn/parameters.ts";
import { resolveConfig } from "../cli/flags.ts";
import type { Replay } from "../cli/replay.ts";
import { openRunFolder, type RunFolder } from "../cli/run_folder.ts";
import { BUNDLED, type DataOrigin } from "../cli/run_record.ts";
import { describeSession } from "../cli/session.ts";
import { resolveSampling } from "./check_sampling.ts";
import { checkConsistency, completeSettings, networkOf, scheduleOf } from "./config.ts";
import { EXTENDABLE, type ImageConfig, type ImageFlags, settingsOf } from "./flags.ts";
import { PRESETS } from "./presets.ts";
import type { StartWeights } from "./start_weights.ts";

/** The settings of a run, and the model that follows from them. */
export interface ImageRun {
  /** Every setting. */
  readonly config: ImageConfig;
  /** The network. */
  readonly network: ImageNetwork;
  /** Its parameters. */
  readonly specs: ParameterSpecs;
  /** The noise schedule. */
  readonly schedule: NoiseSchedule;
}

/**
 * Resolves the settings of a run: flags over the replayed run's settings, or over the preset's.
 *
 * @throws {UserError} With exit code 2 if settings contradict each other.
 */
export function resolveRun(given: ImageFlags, replay: Replay<ImageConfig> | undefined): ImageRun {
  const defaults = replay?.settings ?? PRESETS[given.preset ?? "nano"];
  const resolved = completeSettings(resolveConfig(defaults, settingsOf(given)), given);
  checkConsistency(resolved, given);
  const network = describeNetwork(networkOf(resolved), 1);
  const schedule = scheduleOf(resolved);
  const { learnedVariance, classDropout } = resolved;
  const hasNullClass = classDropout > 0; // without dropout it is never trained
  const config = resolveSampling(resolved, given, { schedule, hasNullClass, learnedVariance });
  return { config, network, specs: networkSpecs(network.config), schedule };
}

/**
 * Opens the folder of a run, and prints what the user should know about it.
 *
 * @param root The folder of the code.
 * @throws {UserError} As openRunFolder, and if a replayed run had other data.
 */
export async function openImageFolder(
  { config }: ImageRun,
  { args, given, replay, device, data, start, root }: {
    readonly args: readonly string[];
    readonly given: ImageFlags;
    readonly replay: Replay | undefined;
    readonly device: Device;
    readonly data: FashionMnist;
    readonly start: StartWeights | undefined;
    readonly root: string;
  },
): Promise<RunFolder> {
  const origins: DataOrigin[] = [{
    name: "fashion-mnist, train",
    origin: data.origin === "sample" ? BUNDLED : data.origin,
    sha256: data.sha256,
    rows: data.train.labels.length + data.validation.labels.length,
  }, ...(start === undefined ? [] : [start.origin])];
  const session = await describeSession(["image", ...args], device, { root, now: Date.now() });
  replay?.check(origins, session).forEach((note) => console.log(note));
  const name = `image-${given.preset ?? "nano"}-${config.seed}`;
  const folder = await openRunFolder({
    directory: given.out ?? replay?.directory ?? `runs/${name}`,
    automatic: given.out === undefined,
    program: "image",
    seed: config.seed,
    config,
    data: origins,
    session,
    resume: given.resume,
    overwrite: given.overwrite,
    results: [
      "samples",
      "report.html",
      "evaluation.json",
      "evaluation.csv",
      "timesteps.csv",
      "neighbours.png",
    ],
    extendable: EXTENDABLE,
    steps: config.steps,
  });
  folder.notes.forEach((note) => console.log(note));
  return folder;
}
