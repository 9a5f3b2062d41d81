/** Readers of what a run's folder says of the run: its record, its checkpoints, results, downloads. */
import { UserError } from "../../base/errors.ts";
import { type JsonObject, parseJsonObject } from "../../base/json.ts";
import { readProgress } from "../../datasets/download/partial.ts";
import { cachedResult, readCachedResult } from "../../cli/cached_result.ts";
import { PRESETS as IMAGE_PRESETS } from "../../image/presets.ts";
import { PRESETS as TEXT_PRESETS } from "../../text/presets.ts";
import { findCheckpoint } from "../../training/checkpoint/folders.ts";
import type { FlagGroups } from "../../cli/flag_kinds.ts";
import { IMAGE_FLAGS } from "../../image/flags.ts";
import { openReplay } from "../../cli/replay.ts";
import { configHash, formatRecord, type RunRecord } from "../../cli/run_record.ts";
import { TEXT_FLAGS } from "../../text/denoiser_flags.ts";
import { flatSettings } from "../../text/settings.ts";
import {
  folderOf,
  folderSurvives,
  noFolders,
  update,
  writeOver,
  written,
} from "./folder_reader.ts";
import { type Dice, mutateBytes, mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";
import { writeTinyCheckpoint } from "./tiny_checkpoint.ts";

const encode = (text: string) => new TextEncoder().encode(text);

const SESSION = {
  ...{ started: "2026-01-01T00:00:00Z", command: ["a.ts"], device: "onnx", threads: 2 },
  ...{ versions: {}, system: { os: "linux", arch: "x86_64", cores: 2 } },
};
const SETTINGS_FOLDER = folderOf(() => Promise.resolve({}));

/** A run's config.json for `--config`, its hash mended. */
function settingsSurvive(program: "image" | "text", defaults: object, flags: FlagGroups): void {
  const { seed: _, ...smoke } = { seed: 0, ...defaults };
  survives<Dice>({
    name: `openReplay() of ${program}`,
    ignore: noFolders,
    input: (dice) => dice,
    read: async (dice) => {
      const path = `${await SETTINGS_FOLDER()}/config.json`;
      const changed = new TextDecoder().decode(mutateJson(smoke, dice));
      // As one who edits a run's settings and mends the hash, too.
      const config = dice.below(20) === 0 ? smoke as JsonObject : parseJsonObject(changed, path);
      const data = [{ name: "a", origin: "cache", sha256: {} }];
      const whole = { program, seed: 0, config, configHash: await configHash(config) };
      const record = { ...whole, data, sessions: [SESSION] } as unknown as RunRecord;
      writeOver(path, encode(formatRecord(record)));
      const repeated = await openReplay(path, {
        ...{ programs: [program], flags, given: {}, defaults },
      });
      return repeated!.settings;
    },
    names: /soak-/,
  });
}

settingsSurvive("image", IMAGE_PRESETS.smoke, IMAGE_FLAGS);
settingsSurvive("text", flatSettings(TEXT_PRESETS.smoke), TEXT_FLAGS);

folderSurvives(
  "readCachedResult()",
  written(async (folder) => {
    await cachedResult(folder, { steps: 3, weights: "a".repeat(64) }, "", {
      make: () => Promise.resolve({ texts: [{ text: "a", label: 1 }], figures: [{ value: 0.5 }] }),
    });
  }),
  async (place) => {
    const record = await readCachedResult(place);
    // What is given is what was made, whatever else the file says.
    const texts = (record?.["result"] as { texts?: { text: string }[] } | undefined)?.texts;
    if (record !== undefined && texts?.[0]?.text !== "a") throw new Error("another result");
    return record;
  },
);

folderSurvives(
  "readProgress()",
  () =>
    Promise.resolve({
      "a.gz.part": encode("abc"),
      "a.gz.part.json": encode(JSON.stringify({ address: "http://a/a.gz", validator: '"v1"' })),
    }),
  async (place) => {
    const progress = await readProgress(`${place}/a.gz`, "http://a/a.gz");
    if (progress === undefined) throw new UserError(`${place}: begins anew`);
    return { ...progress, header: new Headers({ "if-range": progress.validator }).get("if-range") };
  },
);

const CHECKPOINT = written(writeTinyCheckpoint);

/** Two checkpoints of a run. */
const RUN = async () =>
  Object.fromEntries(
    Object.entries(await CHECKPOINT()).flatMap(([path, bytes]) =>
      [1, 2].map((step) => [`checkpoints/step-00000${step}/${path}`, bytes])
    ),
  );
const RUN_FOLDER = folderOf(RUN);

survives<Dice>({
  name: "findCheckpoint()",
  ignore: noFolders,
  input: (dice) => dice,
  read: async (dice) => {
    const [place, whole] = [await RUN_FOLDER(), await RUN()];
    const changed = { ...whole };
    for (const step of [1, 2]) { // each as often as not
      const paths = Object.keys(whole).filter((path) => path.includes(`step-00000${step}`)).sort();
      const path = dice.pick(paths);
      if (dice.below(2) === 0) changed[path] = mutateBytes(whole[path]!, dice);
    }
    update(place, whole, changed);
    try {
      const found = await findCheckpoint(place);
      if (found === undefined) throw new UserError(`${place}: none`);
      return { step: found.step, damaged: found.damaged.length };
    } finally {
      update(place, changed, whole);
    }
  },
  names: /soak-/,
});
