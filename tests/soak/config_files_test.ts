/** Readers of configurations: those of models, of schedulers and of runs, manifests and listings. */
import {
  DIT_DEFAULTS,
  type DitConfig,
  ditConfigFromJson,
  ditConfigToJson,
} from "../../diffusion/networks/dit_config.ts";
import { ditSpecs } from "../../diffusion/networks/dit_specs.ts";
import { fromSchedulerConfig, schedulerConfig } from "../../diffusion/scheduler_config.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { unetSpecs } from "../../diffusion/networks/unet.ts";
import { unetConfigFromJson, unetConfigToJson } from "../../diffusion/networks/unet_config.ts";
import { type JsonObject, parseJsonObject } from "../../base/json.ts";
import { countParameters } from "../../nn/parameters.ts";
import { formatManifest, isSafePath, parseManifest } from "../../training/checkpoint/manifest.ts";
import { configHash, parseRecord } from "../../cli/run_record.ts";
import { bertSpecs } from "../../vae/bert.ts";
import {
  bertConfigFromJson,
  bertConfigToJson,
  gpt2ConfigFromJson,
  gpt2ConfigToJson,
  textVaeFromJson,
  textVaeToJson,
} from "../../vae/config_json.ts";
import { gpt2Specs } from "../../vae/gpt2.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { TINY_UNET } from "../tiny_unet.ts";
import { tinyTextVae } from "../vae/tiny_text_vae.ts";
import { mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A reader of a JSON file, and what is done with what it gives before anything else is looked at. */
function config(
  name: string,
  seeds: readonly unknown[],
  read: (json: JsonObject, source: string) => unknown,
): void {
  survives({
    name,
    // As it is at times, so that right ones are known, too.
    input: (dice) => {
      const seed = dice.pick(seeds);
      return dice.below(50) === 0
        ? new TextEncoder().encode(JSON.stringify(seed))
        : mutateJson(seed, dice);
    },
    read: (bytes) => read(parseJsonObject(decode(bytes), "a/config.json"), "a/config.json"),
    names: /a\/config\.json/,
  });
}

const { encoder, decoder, ...own } = tinyTextVae();

config("bertConfigFromJson()", [bertConfigToJson(encoder)], (json, source) => {
  const config = bertConfigFromJson(json, source);
  return { config, count: countParameters(bertSpecs(config)) };
});

config("gpt2ConfigFromJson()", [gpt2ConfigToJson(decoder)], (json, source) => {
  const config = gpt2ConfigFromJson(json, source);
  return { config, count: countParameters(gpt2Specs(config)) };
});

config(
  "textVaeFromJson()",
  [textVaeToJson({ encoder, decoder, ...own, decoderNoise: 2 })],
  (json, source) => {
    const config = textVaeFromJson(json, { encoder, decoder }, source);
    return { config, count: countParameters(textVaeSpecs(config)) };
  },
);

config("unetConfigFromJson()", [unetConfigToJson(TINY_UNET)], (json, source) => {
  const config = unetConfigFromJson(json, source);
  return { config, count: countParameters(unetSpecs(config)) };
});

const PATCHES: DitConfig = {
  ...DIT_DEFAULTS,
  ...{ sampleSize: 8, inChannels: 1, numLayers: 2, numAttentionHeads: 2, attentionHeadDim: 4 },
  ...{ numEmbedsAdaNorm: 3, sharedEmbedding: false },
};
const TOKENS: DitConfig = {
  ...PATCHES,
  ...{ patchSize: null, numEmbedsAdaNorm: null, contextDim: 6, contextLength: 4, pooledDim: 5 },
  ...{ nullCondition: true, selfConditioning: true, contextMode: "cross_attention" },
};

config("ditConfigFromJson()", [PATCHES, TOKENS].map(ditConfigToJson), (json, source) => {
  const config = ditConfigFromJson(json, source);
  return { config, count: countParameters(ditSpecs(config)) };
});

const SCHEDULERS = [
  schedulerConfig(noiseSchedule({ numTrainTimesteps: 20 }), { sampler: "ddim" }),
  schedulerConfig(noiseSchedule({ numTrainTimesteps: 20, rescaleBetasZeroSnr: true }), {
    sampler: "ddpm",
  }),
  schedulerConfig(noiseSchedule({ trainedBetas: [0.1, 0.2, 0.3] }), { sampler: "dpmpp_sde" }),
  schedulerConfig(noiseSchedule(), { sampler: "flow_euler", flowShift: 2 }),
];

config("fromSchedulerConfig()", SCHEDULERS, (json, source) => {
  const { schedule, ...rest } = fromSchedulerConfig(json, source);
  const { config: { trainedBetas, ...config }, ...tables } = noiseSchedule(schedule);
  return { rest, config, trainedBetas: trainedBetas ?? null, tables };
});

const RUN_CONFIG = { steps: 8, batchSize: 4, channels: [8, 16], sampler: "ddim", nested: { a: 1 } };
const RECORD = {
  ...{ format: "nanodiffusion-run", version: 1, program: "image", seed: 0, config: RUN_CONFIG },
  configHash: await configHash(RUN_CONFIG),
  data: [{ name: "fashion-mnist, train", origin: "cache", sha256: { "a.gz": "00" }, rows: 10 }],
  sessions: [{
    ...{ started: "2026-01-01T00:00:00Z", command: ["image.ts"], device: "onnx", threads: 2 },
    ...{ versions: { deno: "2.9.6" }, system: { os: "linux", arch: "x86_64", cores: 2 } },
  }],
};

survives({
  name: "parseRecord()",
  input: (dice) => mutateJson(RECORD, dice),
  read: (bytes) => parseRecord(decode(bytes), "run/config.json"),
  names: /^run\/config\.json /,
});

const MANIFEST = JSON.parse(formatManifest(
  new Map([
    ["unet/config.json", { bytes: 10, sha256: "a".repeat(64) }],
    ["model_index.json", { bytes: 20, sha256: "b".repeat(64) }],
  ]),
));

survives({
  name: "parseManifest()",
  input: (dice) => mutateJson(MANIFEST, dice),
  read: (bytes) => {
    const manifest = parseManifest(decode(bytes), "a/manifest.json");
    for (const path of manifest.keys()) {
      // Said again, and without the expression that the code uses.
      const out = path.startsWith("/") || path.split("/").some((part) => part.startsWith(".")) ||
        path.includes("\\") || path.includes(":") || !isSafePath(path);
      if (out) throw new Error(`${path} can lead out of the folder`);
    }
    return manifest;
  },
  names: /^a\/manifest\.json/,
});
