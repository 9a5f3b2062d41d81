/** Readers of what runs keep on disk: checkpoints, latents, logs, studies, the cache of the hub, masks. */
import { assert } from "@std/assert";
import { encode as encodePng } from "fast-png";
import { join } from "node:path";
import { openHubModel } from "../../datasets/hub.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import {
  conditionEncoderSpecs,
  latentDenoiserSpecs,
  textDenoiserConfig,
} from "../../diffusion/text_denoiser.ts";
import { UserError } from "../../engine/errors.ts";
import { type JsonObject, parseJsonObject, sha256 } from "../../engine/json.ts";
import { float32 } from "../../engine/tree.ts";
import { loadClassifier, saveClassifier } from "../../evaluation/classifier_checkpoint.ts";
import { classifierSpecs } from "../../evaluation/classifier.ts";
import { readMask } from "../../evaluation/inpainting_tool.ts";
import { StudyLog } from "../../evaluation/study_log.ts";
import { PRESETS } from "../../image.ts";
import { initParameters, ravel } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { loadCheckpoint, writeCheckpoint } from "../../training/checkpoint.ts";
import { findCheckpoint } from "../../training/checkpoint_folders.ts";
import { IMAGE_FLAGS } from "../../training/image_flags.ts";
import { initTrainState } from "../../training/diffusion_step.ts";
import { imageCheckpoint, loadImageModel } from "../../training/image_checkpoint.ts";
import { formatManifest, MANIFEST_NAME } from "../../training/manifest.ts";
import { openRepeated } from "../../training/repeat.ts";
import { configHash, formatRecord, type RunRecord } from "../../training/run_record.ts";
import { MetricsLog, readMetrics } from "../../training/metrics.ts";
import { loadTrainState } from "../../training/state_tensors.ts";
import { loadLatents, saveLatents } from "../../training/text_latents.ts";
import {
  loadTextDenoiser,
  textDiffusionCheckpoint,
} from "../../training/text_diffusion_checkpoint.ts";
import { loadTextVae, textVaeCheckpoint } from "../../training/text_vae_checkpoint.ts";
import { findTrainedOn } from "../../training/trained_on.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { TextTokenizer } from "../../vae/tokenizer.ts";
import { trainBpe } from "../../vae/bpe_trainer.ts";
import { permitted } from "../permissions.ts";
import { randomParameters, TINY_SPECS, TINY_UNET } from "../tiny_unet.ts";
import { initialState, OPTIMIZER } from "../training/tiny_training.ts";
import { tinyTextVae } from "../vae/tiny_text_vae.ts";
import { type Dice, mutateBytes, mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });
const encode = (text: string) => new TextEncoder().encode(text);

/** Folders take longer to write than to read. */
const SHARE = 0.2;

/** Files of a folder, by their paths in it. */
type Files = Record<string, Uint8Array<ArrayBuffer>>;

async function readFiles(folder: string, prefix = ""): Promise<Files> {
  const files: Files = {};
  for await (const { name, isDirectory } of Deno.readDir(join(folder, prefix))) {
    const path = prefix + name;
    if (isDirectory) Object.assign(files, await readFiles(folder, `${path}/`));
    else files[path] = await Deno.readFile(join(folder, path));
  }
  return files;
}

/** The files that `write` makes, read once when they are first asked for. */
function written(write: (folder: string) => Promise<void>): () => Promise<Files> {
  let files: Promise<Files> | undefined;
  return () =>
    files ??= (async () => {
      const folder = await Deno.makeTempDir();
      await write(`${folder}/a`);
      const found = await readFiles(`${folder}/a`);
      await Deno.remove(folder, { recursive: true });
      return found;
    })();
}

/** One file, changed; of a manifest's files the hash is right again, or nothing else would be seen. */
async function changeOne(files: Files, dice: Dice): Promise<Files> {
  const name = dice.pick(Object.keys(files).sort());
  const bytes = files[name]!;
  const changed = name.endsWith(".json") && dice.below(4) > 0
    ? mutateJson(JSON.parse(new TextDecoder().decode(bytes)), dice)
    : mutateBytes(bytes, dice);
  const all = { ...files, [name]: changed };
  if (all[MANIFEST_NAME] === undefined || name === MANIFEST_NAME) return all;
  if (dice.below(10) === 0) { // as a stranger's, without one
    delete all[MANIFEST_NAME];
    return all;
  }
  const listed = Object.keys(all).filter((path) => path !== MANIFEST_NAME);
  const entries = await Promise.all(
    listed.map(async (path) =>
      [path, { bytes: all[path]!.length, sha256: await sha256(all[path]!) }] as const
    ),
  );
  return { ...all, [MANIFEST_NAME]: encode(formatManifest(new Map(entries))) };
}

/** Writes what differs from what is there. */
async function update(folder: string, from: Files, to: Files): Promise<void> {
  for (const path of Object.keys(from)) {
    if (!Object.hasOwn(to, path)) await Deno.remove(join(folder, path));
  }
  for (const [path, bytes] of Object.entries(to)) {
    if (from[path] === bytes) continue;
    if (!Object.hasOwn(from, path)) {
      await Deno.mkdir(join(folder, path, ".."), { recursive: true });
    }
    await Deno.writeFile(join(folder, path), bytes);
  }
}

/** A folder with files, made when it is first asked for and removed in the end. */
function folderOf(files: () => Promise<Files>): () => Promise<string> {
  let place: Promise<string> | undefined;
  return () =>
    place ??= (async () => {
      const folder = await Deno.makeTempDir({ prefix: "soak-" });
      addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
      await update(folder, {}, await files());
      return folder;
    })();
}

/**
 * A reader of a folder, in which one file is changed and then put back.
 *
 * @param options `writes`: whether it writes there itself, so that all is put back. @default false
 */
function folder(
  name: string,
  files: () => Promise<Files>,
  read: (folder: string) => unknown,
  { writes = false }: { writes?: boolean } = {},
): void {
  const place = folderOf(files);
  survives<Dice>({
    ...{ name, ignore, share: SHARE },
    input: (dice) => dice,
    read: async (dice) => {
      const [folder, whole] = [await place(), await files()];
      // As it is at times, so that right ones are known, too.
      const changed = dice.below(20) === 0 ? whole : await changeOne(whole, dice);
      await update(folder, whole, changed);
      try {
        return await read(folder);
      } finally {
        await update(folder, writes ? {} : changed, whole);
      }
    },
    names: /soak-/,
  });
}

const IMAGE = written((folder) =>
  writeCheckpoint(
    folder,
    imageCheckpoint({
      network: TINY_UNET,
      schedule: noiseSchedule({ numTrainTimesteps: 50 }),
      ...{ sampler: "ddim", samplerOptions: {}, step: 12, seed: 5, configHash: "abc" },
      state: { ...initialState(), ema: ravel(randomParameters(), TINY_SPECS) },
    }),
  )
);

folder("loadCheckpoint() of images", IMAGE, async (place) => {
  const checkpoint = await loadCheckpoint(place);
  const { parameters, config } = loadImageModel(checkpoint);
  const state = loadTrainState(checkpoint, TINY_SPECS, OPTIMIZER.slots);
  return { parameters, config, state, step: checkpoint.state!.step };
});

const { tokenizer, config } = trainBpe(["a hotel", "a room"], { vocabSize: 265 });
const TOKENIZER = new TextTokenizer(tokenizer, config);
const TEXT_VAE = (() => {
  const { encoder, decoder, ...own } = tinyTextVae();
  const vocabSize = TOKENIZER.vocabSize;
  return { encoder: { ...encoder, vocabSize }, decoder: { ...decoder, vocabSize }, ...own };
})();

folder(
  "loadTextVae()",
  written((folder) => {
    const specs = textVaeSpecs(TEXT_VAE);
    const parameters = initParameters(specs, randomStream(1));
    const state = initTrainState(parameters, specs, OPTIMIZER);
    const run = { step: 3, seed: 1, configHash: "abc" };
    return writeCheckpoint(
      folder,
      textVaeCheckpoint({ config: TEXT_VAE, tokenizer: TOKENIZER, state, ...run }),
    );
  }),
  async (place) => {
    const { parameters, config, tokenizer } = loadTextVae(await loadCheckpoint(place));
    return { parameters, config, ids: [...tokenizer.encode("a hotel")] };
  },
);

folder(
  "loadTextDenoiser()",
  written((folder) => {
    const { encoder } = TEXT_VAE;
    const sizes = { latents: 2, latentWidth: 3, layers: 1, width: 8, heads: 2 };
    const config = textDenoiserConfig({ ...sizes, encoder, classes: 5 });
    const specs = { ...latentDenoiserSpecs(config), ...conditionEncoderSpecs(config) };
    const parameters = initParameters(specs, randomStream(1));
    const schedule = noiseSchedule({ numTrainTimesteps: 20 });
    const [mean, deviation] = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)];
    const scale = { mean, deviation, range: 2.75 };
    const model = { config, parameters, schedule, isFlow: false, scale, vae: "abc" };
    const state = initTrainState(parameters, specs, OPTIMIZER);
    const run = { step: 3, seed: 1, configHash: "abc" };
    return writeCheckpoint(folder, textDiffusionCheckpoint({ ...model, state, ...run }));
  }),
  async (place) => {
    const { schedule: { betas, alphasCumprod }, ...rest } = loadTextDenoiser(
      await loadCheckpoint(place),
    );
    return { betas, alphasCumprod, ...rest };
  },
);

const KEY = { vae: "a", texts: "b" };

folder(
  "loadLatents()",
  written((folder) =>
    saveLatents(folder, {
      latents: float32([1, 2, 3, 4, 5, 6], [3, 1, 2]),
      ...{ mean: Float32Array.of(0, 1), deviation: Float32Array.of(1, 2), range: 3 },
    }, KEY)
  ),
  (place) => loadLatents(place, ["x", "y", "z"], KEY),
);

const CLASSIFIER = { channels: [4, 8], normNumGroups: 2, features: 4, classes: 3 };

folder(
  "loadClassifier()",
  written((folder) =>
    saveClassifier(folder, {
      config: CLASSIFIER,
      parameters: initParameters(classifierSpecs(CLASSIFIER), randomStream(1)),
    })
  ),
  (place) => loadClassifier(place),
);

folder(
  "readMetrics()",
  written(async (folder) => {
    await Deno.mkdir(folder);
    using log = await MetricsLog.open(`${folder}/metrics.csv`, ["loss", "validLoss"]);
    await log.append({ step: 10, loss: 0.25 });
    await log.append({ step: 20, loss: 0.125, validLoss: 1e-3 });
  }),
  async (place) => {
    const rows = await readMetrics(`${place}/metrics.csv`);
    using _log = await MetricsLog.open(`${place}/metrics.csv`, ["loss", "validLoss"], {
      resumeStep: 10,
    });
    return rows;
  },
  { writes: true },
);

folder(
  "StudyLog.open()",
  written(async (folder) => {
    await Deno.mkdir(folder);
    const log = await StudyLog.open(`${folder}/ddim.csv`);
    for (const steps of [10, 20]) {
      await log.append({
        ...{ key: "k", sampler: "ddim", eta: 0, steps, samples: 8, seed: 0, guidance: 1 },
        ...{ fid: 1, kid: 2, classAgreement: 0.5, precision: 0.5, recall: 0.5, seconds: 1 },
      });
    }
  }),
  async (place) =>
    (await StudyLog.open(`${place}/ddim.csv`)).find("k", { sampler: "ddim", eta: 0, steps: 10 }),
);

folder(
  "findTrainedOn()",
  () =>
    Promise.resolve({
      "training.json": encode(
        JSON.stringify({
          dataset: "hotel_reviews",
          sample: false,
          rows: 2000,
          validationSize: 200,
        }),
      ),
    }),
  (place) => findTrainedOn(place),
);

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

folder(
  "openHubModel()",
  () =>
    Promise.resolve({
      "hub/ours--tiny/main.json": encode(JSON.stringify({
        sha: COMMIT,
        siblings: [{ rfilename: "config.json", size: 2 }, { rfilename: "a.txt", lfs: {} }],
      })),
    }),
  async (cacheDir) => {
    const model = await openHubModel("ours/tiny", { cacheDir, offline: true });
    assert(/^[0-9a-f]{40}$/.test(model.commit));
    const outside = ["../../x", "/etc/passwd", "a/../../b", "..\\x"];
    for (const name of outside) assert(await model.read(name) === undefined, name);
    await Deno.mkdir(`${cacheDir}/hub/ours--tiny/${model.commit}`, { recursive: true });
    await Deno.writeTextFile(`${cacheDir}/hub/ours--tiny/${model.commit}/config.json`, "{}");
    return await model.read("config.json");
  },
);

folder(
  "readMask()",
  () =>
    Promise.resolve({
      "mask.png": encodePng({
        ...{ width: 28, height: 28, channels: 1, depth: 8 },
        data: Uint8Array.from({ length: 784 }, (_, i) => i % 2 * 255),
      }) as Uint8Array<ArrayBuffer>,
    }),
  (place) => readMask(`${place}/mask.png`),
);

const { seed: _, ...SMOKE } = { ...PRESETS.smoke, seed: 0 };
const SESSION = {
  ...{ started: "2026-01-01T00:00:00Z", command: ["image.ts"], device: "onnx", threads: 2 },
  ...{ versions: {}, system: { os: "linux", arch: "x86_64", cores: 2 } },
};
const SETTINGS_FOLDER = folderOf(() => Promise.resolve({}));

survives<Dice>({
  name: "openRepeated()",
  share: SHARE,
  ignore,
  input: (dice) => dice,
  read: async (dice) => {
    const path = `${await SETTINGS_FOLDER()}/config.json`;
    const changed = new TextDecoder().decode(mutateJson(SMOKE, dice));
    // As one who edits a run's settings and mends the hash, too.
    const config = dice.below(20) === 0 ? SMOKE as JsonObject : parseJsonObject(changed, path);
    const data = [{ name: "a", origin: "cache", sha256: {} }];
    const whole = { program: "image", seed: 0, config, configHash: await configHash(config) };
    const record = { ...whole, data, sessions: [SESSION] } as unknown as RunRecord;
    await Deno.writeTextFile(path, formatRecord(record));
    const repeated = await openRepeated(path, {
      ...{ programs: ["image"], flags: IMAGE_FLAGS, given: {}, defaults: PRESETS.smoke },
    });
    return repeated!.settings;
  },
  names: /soak-/,
});

/** Two checkpoints of a run. */
const RUN = async () =>
  Object.fromEntries(
    Object.entries(await IMAGE()).flatMap(([path, bytes]) =>
      [1, 2].map((step) => [`checkpoints/step-00000${step}/${path}`, bytes])
    ),
  );
const RUN_FOLDER = folderOf(RUN);

survives<Dice>({
  name: "findCheckpoint()",
  share: SHARE,
  ignore,
  input: (dice) => dice,
  read: async (dice) => {
    const [place, whole] = [await RUN_FOLDER(), await RUN()];
    const changed = { ...whole };
    for (const step of [1, 2]) { // each as often as not
      const paths = Object.keys(whole).filter((path) => path.includes(`step-00000${step}`)).sort();
      const path = dice.pick(paths);
      if (dice.below(2) === 0) changed[path] = mutateBytes(whole[path]!, dice);
    }
    await update(place, whole, changed);
    try {
      const found = await findCheckpoint(place);
      if (found === undefined) throw new UserError(`${place}: none`);
      return { step: found.step, damaged: found.damaged.length };
    } finally {
      await update(place, changed, whole);
    }
  },
  names: /soak-/,
});
