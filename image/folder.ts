/** The folder of an image run. */
import { print } from "../cli/output.ts";
import type { Replay } from "../cli/replay.ts";
import { openRunFolder, type RunFolder } from "../cli/run_folder.ts";
import { BUNDLED, type DataOrigin } from "../cli/run_record.ts";
import { describeSession } from "../cli/session.ts";
import type { ImageSet } from "../datasets/image_set.ts";
import type { Device } from "../engine/device.ts";
import type { ImageRun } from "./config.ts";
import { DATA_NAMES, recordedName } from "./data.ts";
import { EXTENDABLE, type ImageFlags } from "./flags.ts";
import type { StartWeights } from "./start_weights.ts";

const ROOT = `${import.meta.dirname}/..`;

/** The folder of a run if `--out` names none. */
export function defaultFolder({ preset = "nano", seed = 0, images }: ImageFlags): string {
  const name = images === undefined
    ? "image"
    : images.split(/[/\\]/).findLast((part) => part !== "");
  return `runs/${name}-${preset}-${seed}`;
}

/** Opens the folder of a run and prints notes about it. */
export async function openImageFolder(
  { config }: ImageRun,
  { args, given, replay, device, data, start }: {
    readonly args: readonly string[];
    readonly given: ImageFlags;
    readonly replay: Replay | undefined;
    readonly device: Device;
    readonly data: ImageSet;
    readonly start: StartWeights | undefined;
  },
): Promise<RunFolder> {
  const name = recordedName(data, given);
  const isOwn = name !== DATA_NAMES.fashion;
  const origins: DataOrigin[] = [{
    name,
    origin: isOwn ? data.place : data.origin === "sample" ? BUNDLED : data.origin,
    classNames: isOwn ? data.classNames : undefined,
    sha256: data.sha256,
    rows: data.train.labels.length + data.validation.labels.length,
  }, ...(start === undefined ? [] : [start.origin])];
  const session = await describeSession(["image", ...args], device, {
    root: ROOT,
    now: Date.now(),
  });
  replay?.check(origins, session).forEach(print);
  replay?.changes.forEach(print);
  const folder = await openRunFolder({
    directory: given.out ?? replay?.directory ?? defaultFolder({ ...given, seed: config.seed }),
    automatic: given.out === undefined,
    program: "image",
    seed: config.seed,
    config,
    data: origins,
    session,
    resume: given.resume,
    fresh: given.resume === false,
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
  folder.notes.forEach(print);
  return folder;
}
