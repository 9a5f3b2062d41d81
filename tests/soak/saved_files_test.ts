/** Readers of what runs keep on disk: checkpoints, latents, logs, studies, the cache of the hub, masks. */
import { assert } from "@std/assert";
import { encode as encodePng } from "fast-png";
import { openHubModel } from "../../datasets/download/hub.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import {
  conditionEncoderSpecs,
  latentDenoiserSpecs,
  textDenoiserConfig,
} from "../../text/denoiser/network.ts";
import { float32 } from "../../engine/tree.ts";
import { loadClassifier, saveClassifier } from "../../image/classifier/checkpoint.ts";
import { classifierSpecs } from "../../image/classifier/network.ts";
import { FASHION } from "../../image/data.ts";
import { readMask } from "../../image/sampling/inpainting.ts";
import { StudyLog } from "../../image/evaluation/study_log.ts";
import { initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { loadCheckpoint, writeCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { loadImageModel } from "../../image/checkpoint.ts";
import { languageCheckpoint, loadLanguageModel } from "../../text/language_model/checkpoint.ts";
import { MetricsLog, readMetrics } from "../../training/metrics.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import { loadLatents, saveLatents } from "../../text/denoiser/latents.ts";
import { loadTextDenoiser, textDiffusionCheckpoint } from "../../text/denoiser/checkpoint.ts";
import { loadTextVae, textVaeCheckpoint } from "../../text/autoencoder/checkpoint.ts";
import { findTrainedOn } from "../../text/trained_on.ts";
import { gpt2Specs } from "../../vae/gpt2.ts";
import { openModelFiles } from "../../datasets/download/hub.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { trainBpe } from "../../vae/tokenizer/bpe.ts";
import { TINY_SPECS } from "../tiny_unet.ts";
import { stateFrom } from "../training/states.ts";
import { tinyTextVae } from "../vae/tiny_text_vae.ts";
import { folderSurvives, written } from "./folder_reader.ts";
import { writeTinyCheckpoint } from "./tiny_checkpoint.ts";

const encode = (text: string) => new TextEncoder().encode(text);

folderSurvives("loadCheckpoint() of images", written(writeTinyCheckpoint), async (place) => {
  const checkpoint = await loadCheckpoint(place, { state: true });
  const { parameters, config } = loadImageModel(checkpoint);
  const state = loadTrainState(checkpoint, TINY_SPECS);
  return { parameters, config, state, step: checkpoint.state!.step };
});

const { tokenizer, config } = trainBpe(["a hotel", "a room"], { vocabSize: 265 });
const TOKENIZER = new TextTokenizer(tokenizer, config);
const TEXT_VAE = (() => {
  const { encoder, decoder, ...own } = tinyTextVae();
  const vocabSize = TOKENIZER.vocabSize;
  return { encoder: { ...encoder, vocabSize }, decoder: { ...decoder, vocabSize }, ...own };
})();

folderSurvives(
  "loadTextVae()",
  written((folder) => {
    const specs = textVaeSpecs(TEXT_VAE);
    const parameters = initParameters(specs, randomStream(1));
    const state = stateFrom(parameters, specs);
    const run = { step: 3, seed: 1, configHash: "abc" };
    return writeCheckpoint(
      folder,
      textVaeCheckpoint({ config: TEXT_VAE, tokenizer: TOKENIZER, state, ...run }),
    );
  }),
  async (place) => {
    const { parameters, config, tokenizer } = loadTextVae(
      await loadCheckpoint(place, { state: true }),
    );
    return { parameters, config, ids: [...tokenizer.encode("a hotel")] };
  },
);

folderSurvives(
  "loadLanguageModel()",
  written((folder) => {
    const { decoder: config } = TEXT_VAE;
    const specs = gpt2Specs(config);
    const state = stateFrom(initParameters(specs, randomStream(1)), specs);
    const run = { step: 1, seed: 1, configHash: "abc" };
    return writeCheckpoint(
      folder,
      languageCheckpoint({ config, tokenizer: TOKENIZER, state, ...run }),
    );
  }),
  async (place) => {
    const files = await openModelFiles(`${place}/language_model`);
    const { parameters, config, tokenizer } = await loadLanguageModel(files);
    return { parameters, config, ids: [...tokenizer.encode("a hotel")] };
  },
);

folderSurvives(
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
    const state = stateFrom(parameters, specs);
    const run = { step: 3, seed: 1, configHash: "abc" };
    return writeCheckpoint(folder, textDiffusionCheckpoint({ ...model, state, ...run }));
  }),
  async (place) => {
    const { schedule: { betas, alphasCumprod }, ...rest } = loadTextDenoiser(
      await loadCheckpoint(place, { state: true }),
    );
    return { betas, alphasCumprod, ...rest };
  },
);

const KEY = { vae: "a", texts: "b" };

folderSurvives(
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

folderSurvives(
  "loadClassifier()",
  written((folder) =>
    saveClassifier(folder, {
      config: CLASSIFIER,
      parameters: initParameters(classifierSpecs(CLASSIFIER), randomStream(1)),
    })
  ),
  (place) => loadClassifier(place),
);

folderSurvives(
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

folderSurvives(
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

folderSurvives(
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

folderSurvives(
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

folderSurvives(
  "readMask()",
  () =>
    Promise.resolve({
      "mask.png": encodePng({
        ...{ width: 28, height: 28, channels: 1, depth: 8 },
        data: Uint8Array.from({ length: 784 }, (_, i) => i % 2 * 255),
      }) as Uint8Array<ArrayBuffer>,
    }),
  (place) => readMask(`${place}/mask.png`, FASHION),
);
