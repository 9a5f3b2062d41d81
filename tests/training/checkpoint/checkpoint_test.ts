import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { UserError } from "../../../base/errors.ts";
import type { HostTensor } from "../../../nn/host_tensor.ts";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import {
  checkSameModel,
  checkWeights,
  requireComponent,
} from "../../../training/checkpoint/check_model.ts";
import {
  type Checkpoint,
  type Component,
  loadCheckpoint,
  writeCheckpoint,
} from "../../../training/checkpoint/checkpoint.ts";
import { pickConfigFile, pickWeightsFile } from "../../../training/checkpoint/files.ts";
import { isSafePath } from "../../../training/checkpoint/manifest.ts";
import { fixtureBytes, hasFixture } from "../../fixtures.ts";
import { permitted } from "../../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

const tensor = (...values: number[]): HostTensor => ({
  dtype: "F32",
  shape: [values.length],
  data: Float32Array.from(values),
});

/** A small checkpoint with a denoiser, a scheduler and a tokenizer. */
function example(step = 7): Checkpoint & Required<Pick<Checkpoint, "state">> {
  return {
    modelIndex: {
      _class_name: "DDPMPipeline",
      unet: ["diffusers", "UNet2DModel"],
      scheduler: ["diffusers", "DDPMScheduler"],
    },
    components: {
      unet: {
        config: { _class_name: "UNet2DModel", sample_size: 28 },
        weights: new Map([["conv_in.weight", tensor(1, 2, 3)], ["conv_in.bias", tensor(4)]]),
        metadata: { weights: "ema" },
      },
      scheduler: {
        configName: "scheduler_config.json",
        config: { _class_name: "DDPMScheduler", num_train_timesteps: 1000 },
      },
      encoder: {
        config: { model_type: "bert" },
        weightsName: "model.safetensors",
        weights: new Map([["embeddings.weight", tensor(0.5)]]),
        files: new Map([["tokenizer.json", new TextEncoder().encode("{}")]]),
      },
    },
    state: {
      step,
      seed: 2 ** 40,
      configHash: "ab".repeat(32),
      details: { best: 0.25 },
      vectors: new Map([["parameters", tensor(1, 2, 3, 4)], ["adam.m", tensor(0, 0, 0, step)]]),
    },
    card: "# A model\n",
  };
}

/** Runs a test in a folder that is removed again. */
async function inFolder(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test({
  name:
    "writeCheckpoint() writes files in the layout of diffusers, with a manifest of their hashes",
  ignore,
  fn: () =>
    inFolder(async (root) => {
      await writeCheckpoint(`${root}/c`, example());
      assertEquals((await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name), ["c"]);
      const { files } = JSON.parse(await Deno.readTextFile(`${root}/c/manifest.json`));
      assertEquals(Object.keys(files).sort(), [
        "README.md",
        "encoder/config.json",
        "encoder/model.safetensors",
        "encoder/tokenizer.json",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "training_state.json",
        "training_state.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
      ]);
      for (const [path, { bytes, sha256 }] of Object.entries<Record<string, unknown>>(files)) {
        const content = await Deno.readFile(`${root}/c/${path}`);
        assertEquals(content.length, bytes);
        assertEquals(createHash("sha256").update(content).digest("hex"), sha256);
      }
      const weights = await Deno.readFile(`${root}/c/unet/diffusion_pytorch_model.safetensors`);
      const { metadata } = decodeSafetensors(weights, "weights");
      assertEquals(Object.fromEntries(metadata), { format: "pt", weights: "ema" });
    }),
});

Deno.test({
  name: "writeCheckpoint() writes the same bytes for the same checkpoint",
  ignore,
  fn: () =>
    inFolder(async (root) => {
      await writeCheckpoint(`${root}/a`, example());
      await writeCheckpoint(`${root}/b`, example());
      await writeCheckpoint(`${root}/b`, example()); // replaces the one that is there
      assertEquals(
        await Deno.readTextFile(`${root}/a/manifest.json`),
        await Deno.readTextFile(`${root}/b/manifest.json`),
      );
      assertEquals((await Array.fromAsync(Deno.readDir(root))).length, 2);
    }),
});

Deno.test({
  name: "writeCheckpoint() leaves the old checkpoint and no other file when it fails",
  ignore,
  fn: () =>
    inFolder(async (root) => {
      await writeCheckpoint(`${root}/c`, example());
      const before = await Deno.readTextFile(`${root}/c/manifest.json`);
      const { unet } = example().components;
      for (const folder of ["../unet", "a/b", ".unet", ""]) {
        const bad = { ...example(8), components: { unet: unet!, [folder]: unet! } };
        await assertRejects(
          () => writeCheckpoint(`${root}/c`, bad),
          Error,
          "not a valid path for a file",
        );
      }
      assertEquals(await Deno.readTextFile(`${root}/c/manifest.json`), before);
      assertEquals((await Array.fromAsync(Deno.readDir(root))).length, 1);
      await assertRejects(
        () => writeCheckpoint(`${root}/missing/c`, example()),
        UserError,
        "no such file or folder",
      );
    }),
});

Deno.test({
  name: "loadCheckpoint() returns what writeCheckpoint() wrote",
  ignore,
  fn: () =>
    inFolder(async (root) => {
      const written = example();
      await writeCheckpoint(`${root}/c`, written);
      const { state, components, modelIndex, card, verified } = await loadCheckpoint(`${root}/c`, {
        state: true,
      });
      assertEquals(modelIndex, written.modelIndex);
      assertEquals(state?.step, 7);
      assertEquals(state?.seed, 2 ** 40);
      assertEquals(state?.details, { best: 0.25 });
      assertEquals(new Map(state!.vectors), new Map(written.state.vectors));
      assertEquals(Object.keys(components).sort(), ["encoder", "scheduler", "unet"]);
      assertEquals(components.scheduler?.config, written.components.scheduler!.config);
      assertEquals(components.scheduler?.weights, undefined);
      assertEquals(components.unet?.weights?.get("conv_in.bias"), tensor(4));
      assertEquals(components.encoder?.files, written.components.encoder!.files);
      assertEquals(card, "# A model\n");
      assert(verified);
      // Written again, it is the same.
      await writeCheckpoint(`${root}/d`, { modelIndex, components, state: state!, card: card! });
      assertEquals(
        await Deno.readTextFile(`${root}/d/manifest.json`),
        await Deno.readTextFile(`${root}/c/manifest.json`),
      );
    }),
});

const WEIGHTS = "unet/diffusion_pytorch_model.safetensors";
const DAMAGE: [string, (directory: string) => Promise<void>, RegExp][] = [
  [
    "a file is truncated",
    (c) => Deno.truncate(`${c}/${WEIGHTS}`, 20),
    /unet\/diffusion_pytorch_model.safetensors is truncated: it has 20 bytes/,
  ],
  ["a file has grown", (c) => Deno.truncate(`${c}/${WEIGHTS}`, 2 ** 33), /is altered: it has 8589/],
  ["a byte is altered", async (c) => {
    const bytes = await Deno.readFile(`${c}/${WEIGHTS}`);
    bytes[bytes.length - 1]! ^= 1;
    await Deno.writeFile(`${c}/${WEIGHTS}`, bytes);
  }, /safetensors is altered: its SHA-256/],
  [
    "a file is missing",
    (c) => Deno.remove(`${c}/unet/config.json`),
    /cannot read .*config.json: no/,
  ],
  [
    "the manifest is truncated",
    (c) => Deno.truncate(`${c}/manifest.json`, 50),
    /manifest.json is not JSON/,
  ],
  [
    "the manifest has a path to another folder",
    (c) => manifest(c, { "../../secret": { bytes: 1, sha256: "0".repeat(64) } }),
    /the entry "\.\.\/\.\.\/secret" is not valid/,
  ],
  [
    "the manifest has an absolute path",
    (c) => manifest(c, { "/etc/passwd": { bytes: 1, sha256: "0".repeat(64) } }),
    /is not valid/,
  ],
  ["the manifest is empty", (c) => manifest(c, {}), /no model_index.json/],
  [
    "the manifest is a later version's",
    (c) =>
      Deno.writeTextFile(
        `${c}/manifest.json`,
        '{"format":"nanodiffusion-checkpoint","version":2,"files":{}}',
      ),
    /version 2, expected 1: update/,
  ],
  [
    "the manifest is another file",
    (c) => Deno.writeTextFile(`${c}/manifest.json`, "{}"),
    /not the manifest of a checkpoint/,
  ],
  ["the manifest is missing", (c) => Deno.remove(`${c}/manifest.json`), /no training state/],
];

async function manifest(directory: string, files: Record<string, unknown>): Promise<void> {
  const content = { format: "nanodiffusion-checkpoint", version: 1, files };
  await Deno.writeTextFile(`${directory}/manifest.json`, JSON.stringify(content));
}

for (const [what, damage, message] of DAMAGE) {
  Deno.test({
    name: `loadCheckpoint() names the problem when ${what}`,
    ignore,
    fn: () =>
      inFolder(async (root) => {
        await writeCheckpoint(`${root}/c`, example());
        await damage(`${root}/c`);
        const error = await assertRejects(
          () => loadCheckpoint(`${root}/c`, { state: true }),
          UserError,
        );
        assert(message.test(error.message), error.message);
        assert(error.message.includes(`${root}/c`));
      }),
  });
}

Deno.test({
  name: "loadCheckpoint() names the folder when it is not a checkpoint, or missing",
  ignore,
  fn: () =>
    inFolder(async (root) => {
      await assertRejects(
        () => loadCheckpoint(root, { state: true }),
        UserError,
        "it has no model_index.json",
      );
      await assertRejects(
        () => loadCheckpoint(`${root}/none`, { state: true }),
        UserError,
        "no such file or folder",
      );
      await Deno.writeTextFile(`${root}/file`, "");
      await assertRejects(
        () => loadCheckpoint(`${root}/file`, { state: true }),
        UserError,
        "not a folder",
      );
    }),
});

Deno.test({
  name: "loadCheckpoint() reads a pipeline of another program, but no training state",
  ignore: ignore || !hasFixture("unet_plain"),
  fn: () =>
    inFolder(async (root) => {
      await Deno.mkdir(`${root}/unet`);
      await Deno.mkdir(`${root}/scheduler`);
      await Deno.writeTextFile(`${root}/model_index.json`, '{"_class_name":"DDPMPipeline"}');
      await Deno.writeTextFile(
        `${root}/scheduler/scheduler_config.json`,
        '{"lambda_min_clipped": -Infinity}', // as Python writes it
      );
      for (const name of ["config.json", "diffusion_pytorch_model.safetensors"]) {
        await Deno.writeFile(`${root}/unet/${name}`, await fixtureBytes(`unet_plain/${name}`));
      }
      const { components, verified, state } = await loadCheckpoint(root);
      assertEquals([verified, state], [false, undefined]);
      assertEquals(Object.keys(components).sort(), ["scheduler", "unet"]);
      assertEquals(components.scheduler?.config["lambda_min_clipped"], -Infinity);
      assertEquals(components.unet?.config._class_name, "UNet2DModel");
      assert(components.unet!.weights!.has("conv_in.weight"));
      await assertRejects(
        () => loadCheckpoint(root, { state: true }),
        UserError,
        "sampled from, but not resumed",
      );
    }),
});

Deno.test("pickWeightsFile() prefers the name without a variant", () => {
  const names = ["config.json", "model.fp16.safetensors", "model.safetensors"];
  assertEquals(pickWeightsFile(names, "x"), "model.safetensors");
  assertEquals(pickWeightsFile(["config.json", "model.fp16.safetensors"], "x"), names[1]!);
  assertEquals(pickWeightsFile(["scheduler_config.json"], "x"), undefined);
  const stem = "diffusion_pytorch_model";
  const parts = [`${stem}-00001-of-00002.safetensors`, `${stem}-00002-of-00002.safetensors`];
  const index = `${stem}.safetensors.index.json`;
  assertEquals(pickWeightsFile([...parts, index, `${stem}.bin`], "x"), index);
  const half = [`${stem}.fp16.safetensors`, `${stem}.non_ema.safetensors`, `${stem}.bin`];
  assertEquals(pickWeightsFile(half, "x"), half[0]!);
  const halfIndex = `${stem}.safetensors.index.fp16.json`;
  const halfParts = parts.map((name) => name.replace(/^\w+/, "$&.fp16"));
  assertEquals(pickWeightsFile([...halfParts, halfIndex], "x"), halfIndex);
});

Deno.test("pickWeightsFile() throws when weights are parts without an index, several or pickled", () => {
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  assertThrows(() => pickWeightsFile(shards, "x"), UserError, "but not the index");
  assertThrows(
    () => pickWeightsFile(["a.safetensors", "b.safetensors"], "x"),
    UserError,
    "several",
  );
  assertThrows(() => pickWeightsFile(["pytorch_model.bin"], "x"), UserError, "run code");
});

Deno.test("pickConfigFile() prefers the model's configuration", () => {
  assertEquals(pickConfigFile(["generation_config.json", "config.json"]), "config.json");
  assertEquals(pickConfigFile(["tokenizer_config.json"]), "tokenizer_config.json");
  assertEquals(pickConfigFile(["generation_config.json"]), undefined);
});

Deno.test("isSafePath() refuses paths that leave the folder", () => {
  for (const path of ["a.json", "unet/a.json", "a_b/c-d.e"]) assert(isSafePath(path), path);
  const bad = [
    "",
    "/a",
    "../a",
    "a/../b",
    "a/b/c",
    ".a",
    "a/.b",
    "a\\b",
    "C:/a",
    "__proto__",
    "a\n",
  ];
  for (const path of bad) assert(!isSafePath(path), path);
});

const component = (weights: Component["weights"]): Component => ({
  config: {},
  ...(weights ? { weights } : {}),
});

Deno.test("checkWeights() names the tensor and both shapes when the weights are of another model", () => {
  const weights = new Map([["a", tensor(1, 2)], ["b", tensor(3)]]);
  const expected = new Map([["b", [1]], ["a", [2]]]);
  assertEquals([...checkWeights(weights, expected, "run/unet").keys()], ["b", "a"]);
  const check = (shapes: Map<string, number[]>) => () => checkWeights(weights, shapes, "run/unet");
  assertThrows(
    check(new Map([["a", [2, 1]]])),
    UserError,
    'run/unet is of another model: the tensor "a" has the shape [2], expected [2, 1]',
  );
  assertThrows(check(new Map([["c", [1]]])), UserError, 'the tensor "c" is missing');
  assertThrows(check(new Map([["a", [2]]])), UserError, 'it has a tensor "b"');
  assertEquals(checkWeights(weights, new Map([["a", [2]]]), "x", { allowOthers: true }).size, 1);
  assertThrows(
    () => checkWeights(component(undefined).weights, expected, "run/unet"),
    UserError,
    "run/unet has no weights",
  );
});

Deno.test("checkSameModel() names the key and both values when a configuration differs", () => {
  const found = { sample_size: 28, block_out_channels: [32, 64], _diffusers_version: "0.1" };
  checkSameModel(found, { sample_size: 28 }, "x");
  assertThrows(
    () =>
      checkSameModel(found, { sample_size: 28, block_out_channels: [32, 32] }, "unet/config.json"),
    UserError,
    "unet/config.json is of another model: block_out_channels is [32,64], expected [32,32]",
  );
  const other = assertThrows(
    () => checkSameModel(found, { class_embed_type: "none" }, "x"),
    UserError,
  );
  assert(other.message.endsWith('class_embed_type is not set, expected "none"'));
});

Deno.test("requireComponent() lists the components when one is missing", () => {
  const { modelIndex, components } = example();
  const checkpoint = { modelIndex, components, directory: "run", verified: true };
  assertEquals(requireComponent(checkpoint, "unet"), components.unet!);
  for (const name of ["transformer", "toString"]) {
    assertThrows(
      () => requireComponent(checkpoint, name),
      UserError,
      `it has no ${name}/, but unet, scheduler, encoder`,
    );
  }
});
