import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { DIT_DEFAULTS, type DitConfig } from "../../diffusion/networks/dit_config.ts";
import { ditSpecs } from "../../diffusion/networks/dit_specs.ts";
import { compileImageDenoiser } from "../../diffusion/networks/image_denoiser.ts";
import { type ImageNetworkConfig, networkSpecs } from "../../diffusion/networks/image_network.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { unetConfigToJson } from "../../diffusion/networks/unet_config.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { float32 } from "../../engine/tree.ts";
import type { HostTensor } from "../../nn/host_tensor.ts";
import { adamSlots } from "../../nn/adamw.ts";
import { countParameters, type HostParameters, ravel, unravel } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { decodeSafetensors, encodeSafetensors } from "../../nn/safetensors.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  type LoadedCheckpoint,
  writeCheckpoint,
} from "../../training/checkpoint/checkpoint.ts";
import type { TrainState } from "../../training/step.ts";
import { imageCheckpoint, loadImageModel, type SavedSettings } from "../../image/checkpoint.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import { LossAwareMemory, MEMORY_VECTORS } from "../../image/loss_aware_memory.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../fixtures.ts";
import { permitted } from "../permissions.ts";
import { randomParameters, TINY_SPECS, TINY_UNET } from "../tiny_unet.ts";

const COUNT = countParameters(TINY_SPECS);
const vector = (name: string) => float32(randomStream(3).stream(name).normal(COUNT));
const STATE: TrainState = {
  parameters: vector("parameters"),
  ema: ravel(randomParameters(), TINY_SPECS),
  optimizer: { mean: vector("mean"), variance: vector("variance") },
};
const SCHEDULE = noiseSchedule({
  numTrainTimesteps: 50,
  betaSchedule: "squaredcos_cap_v2",
  predictionType: "v_prediction",
});

const CONFIG: SavedSettings = {
  seed: 5,
  sampler: "ddim",
  timestepSpacing: "trailing",
  varianceType: "fixed_large",
  flowShift: 1,
  learnedVariance: false,
};

function tinyCheckpoint(sampler: "ddim" | "ddpm" = "ddim", state: TrainState = STATE) {
  return imageCheckpoint({
    network: TINY_UNET,
    schedule: SCHEDULE,
    config: { ...CONFIG, sampler },
    state,
    step: 12,
    configHash: "abc",
    details: { window: { sums: [1] } },
  });
}

/** A loaded checkpoint with some parts replaced. */
function loaded(changes: Partial<Checkpoint> = {}): LoadedCheckpoint {
  return { ...tinyCheckpoint(), ...changes, directory: "run/step-000012", verified: true };
}

Deno.test("imageCheckpoint() writes a pipeline of diffusers", () => {
  const { modelIndex, components, state } = tinyCheckpoint();
  const version = modelIndex["_diffusers_version"];
  assertEquals(modelIndex, {
    _class_name: "DDIMPipeline",
    _diffusers_version: version!,
    scheduler: ["diffusers", "DDIMScheduler"],
    unet: ["diffusers", "UNet2DModel"],
  });
  const { unet, scheduler } = components as Record<
    "unet" | "scheduler",
    Checkpoint["components"][0]
  >;
  assertEquals(unet.config, unetConfigToJson(TINY_UNET));
  assertEquals(scheduler.configName, "scheduler_config.json");
  assertEquals(scheduler.config["timestep_spacing"], "trailing");
  assertEquals(scheduler.config["num_train_timesteps"], 50);
  for (const config of [unet.config, scheduler.config]) {
    assertEquals(config["_diffusers_version"], version, "one version everywhere");
  }
  assertEquals([state.step, state.seed, state.configHash], [12, 5, "abc"]);
  assertEquals([...state.vectors.keys()], ["parameters", "ema", "mean", "variance"]);
});

Deno.test("imageCheckpoint() names the pipeline and the variance of ddpm", () => {
  const { modelIndex, components } = tinyCheckpoint("ddpm");
  assertEquals(modelIndex["_class_name"], "DDPMPipeline");
  assertEquals(modelIndex["scheduler"], ["diffusers", "DDPMScheduler"]);
  assertEquals(components["scheduler"]!.config["variance_type"], "fixed_large");
});

Deno.test("loadImageModel() returns the averaged weights, the schedule and the sampler", () => {
  const { config, parameters, schedule, sampler, samplerOptions } = loadImageModel(loaded());
  assertEquals(config, TINY_UNET);
  assertEquals(parameters, randomParameters());
  assertEquals(schedule, SCHEDULE);
  assertEquals(sampler, "ddim");
  assertEquals(samplerOptions.timestepSpacing, "trailing");
});

Deno.test("loadTrainState() returns every vector", () => {
  assertEquals(loadTrainState(loaded(), TINY_SPECS), STATE);
});

Deno.test({
  name: "loadTrainState() returns every bit after saving, including subnormal numbers and -0",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const mean = vector("mean").data as Float32Array;
      mean.set([1e-45, -0, 3.4028234e38, -1e-40]);
      const optimizer = { ...STATE.optimizer, mean: float32(mean) };
      await writeCheckpoint(`${folder}/a`, tinyCheckpoint("ddim", { ...STATE, optimizer }));
      const read = await loadCheckpoint(`${folder}/a`, { state: true });
      const state = loadTrainState(read, TINY_SPECS);
      const bits = ({ data }: { data: ArrayBufferView }) =>
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      assertEquals(bits(state.optimizer["mean"]!), bits({ data: mean }));
      assertEquals(bits(state.ema), bits(STATE.ema));
      assertEquals(loadImageModel(read).parameters, randomParameters());
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("loadImageModel() refuses a checkpoint of another kind of model", () => {
  const { unet: _, ...components } = tinyCheckpoint().components;
  assertThrows(
    () => loadImageModel(loaded({ components })),
    UserError,
    "run/step-000012 is a checkpoint of another model: it has no unet/, but scheduler",
  );
  const config = { ...tinyCheckpoint().components["unet"]!.config, _class_name: "VQModel" };
  assertThrows(
    () => loadImageModel(loaded({ components: { ...components, unet: { config } } })),
    UserError,
    'run/step-000012/unet/config.json describes a "VQModel"',
  );
});

Deno.test("loadImageModel() refuses weights that do not fit the configuration", () => {
  const { components } = tinyCheckpoint();
  const unet = components["unet"]!;
  const refused = (weights: typeof unet.weights, message: string) => {
    const changed = { ...components, unet: { config: unet.config, ...(weights && { weights }) } };
    assertThrows(() => loadImageModel(loaded({ components: changed })), UserError, message);
  };
  refused(undefined, "run/step-000012/unet has no weights");
  const missing = new Map(unet.weights);
  missing.delete("conv_out.bias");
  refused(missing, 'the tensor "conv_out.bias" is missing');
  const reshaped = new Map(unet.weights);
  reshaped.set("conv_in.weight", { dtype: "F32", shape: [36], data: new Float32Array(36) });
  refused(reshaped, '"conv_in.weight" has the shape [36], expected [4, 1, 3, 3]');
  const more = new Map(unet.weights);
  more.set("lora", { dtype: "F32", shape: [1], data: new Float32Array(1) });
  refused(more, 'a tensor "lora", which this model does not have');
  for (const [dtype, data] of [["F32", Float32Array.of(NaN)], ["F64", Float64Array.of(1e300)]]) {
    const broken = new Map(unet.weights);
    broken.set("conv_out.bias", { dtype, shape: [1], data } as unknown as HostTensor);
    refused(broken, `element 0 of the tensor "conv_out.bias" is ${(data as Float32Array)[0]}`);
  }
});

Deno.test("loadTrainState() refuses the state of another network or optimizer", () => {
  const { "conv_out.bias": _, ...fewer } = TINY_SPECS;
  assertThrows(
    () => loadTrainState(loaded(), fewer),
    UserError,
    `run/step-000012/training_state.safetensors is of another model: the tensor "parameters" has ` +
      `the shape [${COUNT}], expected [${COUNT - 1}]`,
  );
  assertThrows(
    () => loadTrainState(loaded(), TINY_SPECS, { slots: adamSlots({ rule: "adamax" }) }),
    UserError,
    'the tensor "largest" is missing',
  );
});

Deno.test("loadTrainState() refuses a checkpoint that can only be sampled from", () => {
  const { state: _, ...stateless } = loaded();
  assertThrows(
    () => loadTrainState(stateless, TINY_SPECS),
    UserError,
    "no training state to continue from",
  );
});

for (const name of ["unet_plain", "unet_class"]) {
  Deno.test({
    name: `loadImageModel() opens diffusers' own ${name}`,
    ignore: !hasFixture(name),
    fn: async () => {
      const file = `${name}/diffusion_pytorch_model.safetensors`;
      const { tensors } = decodeSafetensors(await fixtureBytes(file), file);
      const unet = {
        config: await fixtureJson(`${name}/config.json`) as JsonObject,
        weights: tensors,
      };
      const scheduler = { config: { _class_name: "DDPMScheduler", beta_schedule: "linear" } };
      const { parameters, schedule, sampler } = loadImageModel({
        directory: "there",
        verified: false,
        modelIndex: {},
        components: { unet, scheduler },
      });
      assertEquals(Object.keys(parameters).sort(), [...tensors.keys()].sort());
      assertEquals([sampler, schedule.numTrainTimesteps], ["ddpm", 1000]);
      assert(Object.values(parameters).every(({ data }) => data instanceof Float32Array));
    },
  });
}

/** Files of unets/cifar10, a pipeline with all files in one folder, under other names. */
async function pipelineFiles(rename: (name: string) => string | undefined) {
  const names = [
    "model_index.json",
    "config.json",
    "scheduler_config.json",
    "diffusion_pytorch_model.safetensors",
  ];
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of names) {
    const path = rename(name);
    if (path !== undefined) found.set(path, await fixtureBytes(`unets/cifar10/${name}`));
  }
  return found;
}

function load(found: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) {
  const read = (path: string) => Promise.resolve(found.get(path));
  return loadCheckpoint({ name: "there", files: [...found.keys()], read });
}

/** A file of safetensors as two, and their index. */
function sharded(bytes: Uint8Array): Map<string, Uint8Array<ArrayBuffer>> {
  const tensors = [...decodeSafetensors(bytes, "it").tensors];
  const stem = "diffusion_pytorch_model";
  const parts = [tensors.slice(0, 9), tensors.slice(9)].map((part, i) =>
    [`${stem}-0000${i + 1}-of-00002.safetensors`, new Map(part)] as const
  );
  const map = parts.flatMap(([name, part]) => [...part.keys()].map((key) => [key, name]));
  const index = JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) });
  return new Map([
    ...parts.map(([name, part]) => [name, encodeSafetensors(part)] as const),
    [`${stem}.safetensors.index.json`, new TextEncoder().encode(index)],
  ]);
}

Deno.test({
  name: "loadImageModel() opens a UNet of old files, of subfolders, in parts and of 16 bits alike",
  ignore: !hasFixture("unets/cifar10/config.json"),
  fn: async () => {
    const weightsName = "diffusion_pytorch_model.safetensors";
    const root = await pipelineFiles((name) => name);
    const { parameters, config, sampler, samplerOptions } = loadImageModel(await load(root));
    assertEquals(Object.keys(parameters).sort(), Object.keys(networkSpecs(config)).sort());
    assertEquals([sampler, samplerOptions.varianceType], ["ddpm", "fixed_large"]);
    const folders = await pipelineFiles((name) =>
      name === "model_index.json"
        ? name
        : name.startsWith("scheduler")
        ? `scheduler/${name}`
        : `unet/${name}`
    );
    const unetOnly = await pipelineFiles((name) => name === "model_index.json" ? undefined : name);
    const half = await pipelineFiles((name) => name.replace(/\.safetensors$/, ".fp16$&"));
    const parts = new Map([...root, ...sharded(root.get(weightsName)!)]);
    parts.delete(weightsName);
    for (const found of [folders, unetOnly, half, parts]) {
      assertEquals(loadImageModel(await load(found)).parameters, parameters);
    }
  },
});

Deno.test({
  name: "loadImageModel() names what is missing when there is no scheduler, or weights are pickled",
  ignore: !hasFixture("unets/cifar10/config.json"),
  fn: async () => {
    const found = await pipelineFiles((name) => name.startsWith("scheduler") ? undefined : name);
    const loaded = await load(found);
    assertThrows(() => loadImageModel(loaded), UserError, "there has no scheduler_config.json");
    const pickled = await pipelineFiles((name) => name.replace(".safetensors", ".bin"));
    await assertRejects(
      () => load(pickled),
      UserError,
      "from_pretrained(FOLDER).save_pretrained(NEW)",
    );
    const parts = new Map([
      ...found,
      ...sharded(found.get("diffusion_pytorch_model.safetensors")!),
    ]);
    parts.delete("diffusion_pytorch_model.safetensors");
    parts.delete("diffusion_pytorch_model-00002-of-00002.safetensors");
    await assertRejects(() => load(parts), UserError, "there has no diffusion_pytorch_model-00002");
  },
});

Deno.test("imageCheckpoint() names ddim when the pipelines of diffusers do not support the sampler", () => {
  const { modelIndex } = imageCheckpoint({
    network: TINY_UNET,
    schedule: SCHEDULE,
    config: { ...CONFIG, sampler: "heun" },
    state: STATE,
    step: 1,
    configHash: "abc",
  });
  assertEquals(modelIndex["_class_name"], "DDIMPipeline");
  assertEquals(modelIndex["scheduler"], ["diffusers", "DDIMScheduler"]);
});

const TINY_DIT: DitConfig = {
  ...DIT_DEFAULTS,
  sampleSize: 4,
  patchSize: 2,
  inChannels: 1,
  outChannels: 2,
  numLayers: 2,
  numAttentionHeads: 2,
  attentionHeadDim: 4,
  numEmbedsAdaNorm: 2,
};

/** A loaded checkpoint of a DiT with random parameters, and its output. */
async function ditCheckpoint(network: DitConfig, sampler: "ddpm" | "flow_euler") {
  const specs = ditSpecs(network);
  const ema = float32(randomStream(6).normal(countParameters(specs)).map((z) => .3 * z));
  const saved = imageCheckpoint({
    network,
    schedule: SCHEDULE,
    config: { ...CONFIG, sampler, learnedVariance: true, flowShift: 3 },
    state: { parameters: ema, ema, optimizer: {} },
    step: 1,
    configHash: "abc",
  });
  const answer = async (parameters: HostParameters, config: ImageNetworkConfig) => {
    const denoiser = compileImageDenoiser(await openDevice("cpu"), { parameters, config }, 1);
    const x0Source = SCHEDULE;
    const denoise = denoiser.condition({ classLabels: Int32Array.of(0, 1), x0Source });
    const output = await denoise(randomStream(7).normal(32), 20);
    await denoiser.dispose();
    return output;
  };
  const loaded = loadImageModel({ ...saved, directory: "there", verified: true });
  assertEquals(
    await answer(loaded.parameters, loaded.config),
    await answer(unravel(ema, specs), network),
  );
  return { saved, loaded };
}

Deno.test("imageCheckpoint() writes a DiT as the equivalent class of diffusers", async () => {
  const { saved, loaded } = await ditCheckpoint(TINY_DIT, "ddpm");
  assertEquals(saved.modelIndex["_class_name"], "DiTPipeline");
  assertEquals(saved.modelIndex["transformer"], ["diffusers", "DiTTransformer2DModel"]);
  const { config, weights } = saved.components["transformer"]!;
  assertEquals([config["_class_name"], config["out_channels"]], ["DiTTransformer2DModel", 2]);
  assert(weights!.has("transformer_blocks.1.norm1.emb.timestep_embedder.linear_1.weight"));
  assertEquals(saved.components["scheduler"]!.config["variance_type"], "learned_range");
  assertEquals(loaded.sampler, "ddpm");
});

Deno.test("imageCheckpoint() gives a DiT that diffusers lacks its own class name, and writes flows", async () => {
  const { saved, loaded } = await ditCheckpoint(
    { ...TINY_DIT, selfConditioning: true },
    "flow_euler",
  );
  assertEquals(saved.modelIndex["transformer"], ["nanodiffusion", "DiT"]);
  assertEquals(saved.modelIndex["scheduler"], ["diffusers", "FlowMatchEulerDiscreteScheduler"]);
  assertEquals([loaded.sampler, loaded.samplerOptions.flowShift], ["flow_euler", 3]);
  assertEquals(loaded.schedule.numTrainTimesteps, 50);
});

Deno.test("imageCheckpoint() keeps further vectors, which loadTrainState() ignores by name", () => {
  const memory = new LossAwareMemory(50);
  memory.add({
    weighted: Float32Array.of(6, 1),
    timesteps: Int32Array.of(3, 49),
    exampleWeights: Float64Array.of(2, 4),
  });
  const saved = {
    ...loaded(),
    ...imageCheckpoint({
      network: TINY_UNET,
      schedule: SCHEDULE,
      config: CONFIG,
      state: STATE,
      step: 1,
      configHash: "abc",
      vectors: memory.vectors(),
    }),
  };
  const others = MEMORY_VECTORS;
  assertEquals(loadTrainState(saved, TINY_SPECS, { others }), STATE);
  assertThrows(() => loadTrainState(saved, TINY_SPECS), UserError, "timestep_losses");
  const again = new LossAwareMemory(50, saved).vectors();
  assertEquals(again, memory.vectors());
  const losses = again.get("timestep_losses")!.data;
  assertEquals([losses[30], losses[490]], [3, 0.25], "without the weights of examples");
  assertThrows(
    () => new LossAwareMemory(60, { ...saved, directory: "there" }),
    UserError,
    'there is of another model: the tensor "timestep_losses" has the shape [50, 10]',
  );
});

Deno.test("imageCheckpoint() says on a card how diffusers samples a flow whose levels are shifted", () => {
  const settings = { ...CONFIG, sampler: "flow_euler" } as const;
  const cardOf = (flowShift: number) =>
    imageCheckpoint({
      network: TINY_UNET,
      schedule: SCHEDULE,
      config: { ...settings, flowShift },
      state: STATE,
      step: 1,
      configHash: "abc",
    }).card;
  assertEquals(cardOf(1), undefined);
  assertMatch(
    cardOf(3)!,
    /shifted by 3\b[^]*set_timesteps\(sigmas=numpy.linspace\(1, 1 \/ 50, S\)\)/,
  );
});
