import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { decode } from "fast-png";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { unetConfigFromJson } from "../../../diffusion/networks/unet_config.ts";
import { openDevice } from "../../../engine/device.ts";
import { float32 } from "../../../engine/tree.ts";
import { drawSamples } from "../../../image/sampling/samples.ts";
import { randomStream } from "../../../nn/random.ts";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import { drawGrid } from "../../../report/grid.ts";
import { encodePng } from "../../../report/png.ts";
import { tilesOf } from "../../png_tiles.ts";
import { hasServer } from "../../datasets/tiny_dataset.ts";
import { serveHub } from "../../hub_server.ts";
import {
  copyFolder,
  hashFolder,
  imageRuns,
  runImage,
  startImage,
  tiny,
  workplace,
} from "./program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

/** Runs `--sample-only` with few steps. */
const sample = (checkpoint: string, out: string, ...args: string[]) =>
  runImage(...tiny("--sample-only", `--checkpoint=${checkpoint}`, `--out=${out}`, ...args));

const SCHEDULER = {
  _class_name: "DDPMScheduler",
  beta_schedule: "scaled_linear",
  num_train_timesteps: 50,
  variance_type: "fixed_small",
  timestep_spacing: "leading",
  clip_sample_range: 0.5,
};

/**
 * The folder of a pipeline as diffusers writes it, without a manifest. The size of its images is changed to
 * 28x28 pixels, which no weight depends on.
 */
async function foreignFolder(
  name: "unet_plain" | "unet_class",
  changes: Record<string, unknown> = {},
): Promise<string> {
  const path = await folder();
  const fixture = new URL(`../../fixtures/${name}/`, import.meta.url);
  const config = JSON.parse(await Deno.readTextFile(new URL("config.json", fixture)));
  const weights = "diffusion_pytorch_model.safetensors";
  const write = (file: string, json: object) =>
    Deno.writeTextFile(`${path}/${file}`, JSON.stringify(json));
  await Deno.mkdir(`${path}/unet`);
  await Deno.mkdir(`${path}/scheduler`);
  await Deno.copyFile(new URL(weights, fixture), `${path}/unet/${weights}`);
  await write("unet/config.json", { ...config, sample_size: [28, 28], ...changes });
  await write("scheduler/scheduler_config.json", SCHEDULER);
  await write("model_index.json", {
    _class_name: "DDPMPipeline",
    unet: ["diffusers", "UNet2DModel"],
    scheduler: ["diffusers", "DDPMScheduler"],
  });
  return path;
}

Deno.test({
  name: "image --sample-only gives the same samples as the run itself, with a record and a report",
  ignore,
  fn: async () => {
    const run = await straightRun();
    const before = await hashFolder(run);
    const out = `${await folder()}/a/b`;
    const { code, stdout, stderr } = await sample(run, out);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, `model: ${run}/checkpoints/step-000008`);
    const { "record.json": _record, "report.html": _report, ...made } = await hashFolder(out);
    assertEquals(made, { "grid.png": before["samples/grid.png"]! });
    const record = JSON.parse(await Deno.readTextFile(`${out}/record.json`));
    const { checkpoint, settings, session } = record;
    assertEquals(checkpoint.path, `${run}/checkpoints/step-000008`);
    assertEquals([settings.sampler, settings.sampleSteps, settings.seed], ["ddim", 3, 0]);
    assertEquals(session.command[0], "image");
    assertEquals(await hashFolder(run), before);

    const one = `${await folder()}/one`;
    const of = await sample(
      `${run}/checkpoints/step-000008/`,
      one,
      "--class=sneaker",
      "--samples=4",
    );
    assertEquals(of.code, 0, of.stderr);
    assertNotEquals(await hashFolder(one), await hashFolder(out));
  },
});

Deno.test({
  name: "image --save-images writes each sample of the grid as a PNG file, and its class",
  ignore,
  fn: async () => {
    const out = `${await folder()}/out`;
    const args = ["--class=Bag,7", "--samples=4", "--save-images"];
    const { code, stderr } = await sample(await straightRun(), out, ...args);
    assertEquals(code, 0, stderr);
    const tiles = tilesOf(await Deno.readFile(`${out}/grid.png`), { columns: 2, rows: 2 });
    for (let i = 0; i < 4; i++) {
      const { width, channels, data } = decode(await Deno.readFile(`${out}/images/0000${i}.png`));
      assertEquals([width, channels], [28, 1]);
      assertEquals(new Uint8Array(data), tiles.at(Math.floor(i / 2), i % 2));
    }
    const rows = ["file,label,class", "00000.png,8,Bag", "00001.png,8,Bag"];
    const labels = await Deno.readTextFile(`${out}/images/labels.csv`);
    assertEquals(labels.split("\n").slice(0, 3), rows);
  },
});

Deno.test({
  name: "image --sample-only reports a newer checkpoint that is damaged",
  ignore,
  fn: async () => {
    const run = `${await folder()}/run`;
    await copyFolder(await straightRun(), run);
    await copyFolder(`${run}/checkpoints/step-000008`, `${run}/checkpoints/step-000009`);
    await Deno.truncate(
      `${run}/checkpoints/step-000009/unet/diffusion_pytorch_model.safetensors`,
      1000,
    );
    const { code, stdout, stderr } = await sample(run, `${await folder()}/out`);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /^skipping .+\/step-000009: .+diffusion_pytorch_model\.safetensors/);
    assertStringIncludes(stdout, "step-000008");
  },
});

Deno.test({
  name: "image --sample-only samples from a folder of diffusers with the settings of its scheduler",
  ignore,
  fn: async () => {
    const [checkpoint, out] = [await foreignFolder("unet_plain"), `${await folder()}/out`];
    // The sampler and the guidance of the preset do not fit this model and are replaced.
    const { code, stderr } = await sample(checkpoint, out, "--samples=5");
    assertEquals(code, 0, stderr);

    const weights = `${checkpoint}/unet/diffusion_pytorch_model.safetensors`;
    const { tensors } = decodeSafetensors(await Deno.readFile(weights), weights);
    const json = JSON.parse(await Deno.readTextFile(`${checkpoint}/unet/config.json`));
    const data = await drawSamples(await openDevice("onnx", { threads: 1 }), {
      parameters: Object.fromEntries(
        [...tensors].map(([name, { data, shape }]) =>
          [name, float32(data as Float32Array, shape)] as const
        ),
      ),
      config: unetConfigFromJson(json, "config.json"),
      schedule: noiseSchedule({ numTrainTimesteps: 50, betaSchedule: "scaled_linear" }),
      sampler: "ddpm",
      samplerOptions: {
        numInferenceSteps: 3,
        timestepSpacing: "leading",
        varianceType: "fixed_small",
        clipSampleRange: 0.5,
      },
    }, { labels: new Int32Array(5), random: randomStream(0).stream("samples") });
    // The model has no classes, so the grid has no names.
    const grid = drawGrid({ width: 28, height: 28, channels: 1, data }, { columns: 3 });
    assertEquals(await Deno.readFile(`${out}/grid.png`), encodePng(grid));
  },
});

Deno.test({
  name: "image --sample-only samples without guidance from a model without a null class",
  ignore,
  fn: async () => {
    const [checkpoint, out] = [await foreignFolder("unet_class"), await folder()];
    const plain = await sample(checkpoint, `${out}/plain`, "--samples=10", "--sample-steps=2");
    assertEquals(plain.code, 0, plain.stderr);
    const guided = await sample(checkpoint, `${out}/guided`, "--guidance=2");
    assertEquals(guided.code, 2);
    assertMatch(guided.stderr, /^error: --guidance 2 needs a model trained with a null class/m);
    assert(!(await exists(`${out}/guided/grid.png`)));
  },
});

for (
  const { name, given, args, code, message } of [
    {
      name: "--class for a model without classes",
      given: () => foreignFolder("unet_plain"),
      args: ["--class=Bag"],
      code: 2,
      message: /was trained without classes: leave --class out/,
    },
    {
      name: "guidance for a model without classes",
      given: () => foreignFolder("unet_plain"),
      args: ["--guidance=2"],
      code: 2,
      message: /--guidance 2 needs a model trained with a null class/,
    },
    {
      name: "--interpolate for a model without classes",
      given: () => foreignFolder("unet_plain"),
      args: ["--interpolate=Bag,Coat"],
      code: 2,
      message: /was trained without classes: --interpolate needs --encode/,
    },
    {
      name: "to skip all steps",
      given: () => foreignFolder("unet_plain"),
      args: ["--from-step=3"],
      code: 2,
      message: /--from-step 3 leaves none of the 3 --sample-steps: give at most 2/,
    },
    {
      name: "a missing mask",
      given: () => foreignFolder("unet_plain"),
      args: ["--inpaint=tests/none.png"],
      code: 1,
      message: /cannot read the mask tests\/none\.png: no such file or folder/,
    },
    {
      name: "a mask that is not a picture",
      given: () => foreignFolder("unet_plain"),
      args: ["--inpaint=deno.json"],
      code: 2,
      message: /--inpaint deno\.json is not a PNG file/,
    },
    {
      name: "a model of images of unknown size",
      given: () => foreignFolder("unet_plain", { sample_size: null }),
      code: 2,
      message: /does not tell the size of its images: give --image-size N/,
    },
    {
      name: "another size than the model's",
      given: () => foreignFolder("unet_plain"),
      args: ["--image-size=32"],
      code: 2,
      message: /--image-size 32: the model of .+ has its own size: leave it out/,
    },
    {
      name: "weights that do not fit the configuration",
      given: () => foreignFolder("unet_plain", { layers_per_block: 2 }),
      code: 1,
      message: /unet is of another model: the tensor "[\w.]+" is missing/,
    },
    {
      name: "a configuration that is not JSON",
      given: async () => {
        const path = await foreignFolder("unet_plain");
        await Deno.writeTextFile(`${path}/unet/config.json`, '{"_class_name": "UNet2DMo');
        return path;
      },
      code: 1,
      message: /unet\/config\.json/,
    },
    {
      name: "truncated weights",
      given: async () => {
        const path = await foreignFolder("unet_plain");
        await Deno.truncate(`${path}/unet/diffusion_pytorch_model.safetensors`, 5000);
        return path;
      },
      code: 1,
      message: /diffusion_pytorch_model\.safetensors/,
    },
    {
      name: "more steps than the model has timesteps",
      given: () => foreignFolder("unet_plain"),
      args: ["--sample-steps=51"],
      code: 2,
      message: /--sample-steps 51: the model has 50 timesteps; give at most 50/,
    },
    {
      name: "a folder without a checkpoint",
      given: () => folder(),
      code: 1,
      message: /is not a checkpoint: it has no model_index\.json/,
    },
    {
      name: "a missing folder",
      given: async () => `${await folder()}/none`,
      code: 1,
      message: /cannot open the checkpoint .+: no such file or folder/,
    },
  ] as {
    name: string;
    given: () => Promise<string>;
    args?: string[];
    code: number;
    message: RegExp;
  }[]
) {
  Deno.test({
    name: `image --sample-only refuses ${name}`,
    ignore,
    fn: async () => {
      const out = `${await folder()}/out`;
      const ended = await sample(await given(), out, ...(args ?? []));
      assertMatch(ended.stderr, message);
      assertMatch(ended.stderr, /^error: [^\n]+\n$/);
      assertEquals(ended.code, code);
      assert(!(await exists(`${out}/grid.png`)), "nothing is written");
    },
  });
}

Deno.test({
  name: "image --sample-only samples a model of images of any size",
  ignore,
  fn: async () => {
    for (const [height, width] of [[32, 32], [28, 20]] as const) {
      const out = `${await folder()}/out`;
      const model = await foreignFolder("unet_plain", { sample_size: [height, width] });
      const { code, stderr } = await sample(model, out, "--save-images");
      assertEquals(code, 0, stderr);
      const { height: rows, width: columns } = decode(
        await Deno.readFile(`${out}/images/00000.png`),
      );
      assertEquals([rows, columns], [height, width]);
    }
  },
});

Deno.test({
  name: "image --sample-only refuses a folder that cannot be made before it samples",
  ignore,
  fn: async () => {
    const file = `${await folder()}/file`;
    await Deno.writeTextFile(file, "");
    const { code, stderr } = await sample(await straightRun(), `${file}/below`);
    assertMatch(stderr, /^error: cannot open .+\/below: a part of the path is a file/);
    assertEquals(code, 1);
  },
});

Deno.test({
  name: "image --sample-only refuses a mask that is not square",
  ignore,
  fn: async () => {
    const place = await folder();
    const picture = { width: 20, height: 28, channels: 1, data: new Uint8Array(560) } as const;
    await Deno.writeFile(`${place}/mask.png`, encodePng(picture));
    const { code, stderr } = await sample(
      await foreignFolder("unet_plain"),
      `${place}/out`,
      `--inpaint=${place}/mask.png`,
    );
    assertMatch(
      stderr,
      /^error: --inpaint .+ has 20x28 pixels: it must have 28x28 pixels of 8 or 16 bits, grey or RGB\./,
    );
    assertMatch(stderr, /^error: [^\n]+\n$/);
    assertEquals(code, 2);
    assert(!(await exists(`${place}/out/inpainting.png`)));
  },
});

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test({
  name: "image --sample-only samples RGB images of any size from UNets of diffusers",
  ignore,
  fn: async () => {
    const place = await folder();
    const fixtures = new URL("../../fixtures/unets/", import.meta.url).pathname;
    const samplers = ["ddpm", "dpmpp_multistep", "unipc", "heun"];
    for (const sampler of samplers) {
      const out = `${place}/${sampler}`;
      const { code, stderr } = await sample(`${fixtures}cifar10`, out, `--sampler=${sampler}`);
      assertEquals(code, 0, stderr);
      assertEquals(decode(await Deno.readFile(`${out}/grid.png`)).channels, 3);
    }
    const unsized = `${place}/unsized`;
    await copyFolder(`${fixtures}church`, unsized);
    const scheduler = "scheduler_config.json";
    await Deno.copyFile(`${fixtures}cifar10/${scheduler}`, `${unsized}/${scheduler}`);
    const { code, stderr } = await sample(unsized, `${place}/church`, "--image-size=32");
    assertEquals(code, 0, stderr);
    const [small, large] = await Promise.all(
      ["ddpm", "church"].map(async (name) =>
        decode(await Deno.readFile(`${place}/${name}/grid.png`)).height
      ),
    );
    assert(large! > small!, `${large} is not above ${small}`);
  },
});

Deno.test({
  name: "--sample-only --checkpoint OWNER/NAME samples a model of the hub as one in a folder",
  ignore: ignore || !hasServer,
  fn: async () => {
    const source = await foreignFolder("unet_plain");
    const files: Record<string, Uint8Array<ArrayBuffer>> = {};
    for (const path of Object.keys(await hashFolder(source))) {
      files[`pipeline/${path}`] = await Deno.readFile(`${source}/${path}`);
    }
    const none = new Uint8Array(9); // other parts of the pipeline are not read
    Object.assign(files, { "pipeline/vae/config.json": none, "pickled/unet/config.json": none });
    files["pickled/model_index.json"] = new TextEncoder().encode("{}");
    files["pickled/unet/diffusion_pytorch_model.bin"] = none;
    files["language/config.json"] = new TextEncoder().encode('{"model_type": "gpt2"}');
    files["language/model.safetensors"] = none;
    const place = await folder();
    const environment = { NANODIFFUSION_CACHE: `${place}/cache`, HF_ENDPOINT: "" };
    const run = (name: string, out: string, env: Record<string, string> = environment) =>
      startImage(tiny("--sample-only", `--checkpoint=${name}`, `--out=${place}/${out}`), {
        task: true,
        env,
      }).ended;
    {
      await using hub = serveHub(files);
      environment.HF_ENDPOINT = hub.address;
      const online = await run("ours/pipeline", "online");
      assertEquals(online.code, 0, online.stderr);
      assertStringIncludes(online.stdout, "model: ours/pipeline@0123456789ab");
      const pickled = await run("ours/pickled", "never");
      assertEquals([pickled.code, pickled.stderr.trimEnd().split("\n").length], [1, 1]);
      assertStringIncludes(pickled.stderr, "save_pretrained(NEW) does in Python");
      const language = await run("ours/language", "never");
      assertEquals([language.code, language.stderr], [
        1,
        'error: ours/language@0123456789ab is a model of type "gpt2", not a checkpoint: name a run, one ' +
        "of its checkpoints, or a model of diffusers with a UNet2DModel\n",
      ]);
      const absent = await run("theirs/pipeline", "never");
      assertStringIncludes(absent.stderr, "there is no such model, revision or file");
      assertEquals(await Deno.stat(`${place}/never`).then(() => true, () => false), false);
    }
    const offline = await run("ours/pipeline", "offline", { ...environment, HF_HUB_OFFLINE: "1" });
    assertEquals(offline.code, 0, offline.stderr);
    const local = await sample(source, `${place}/local`);
    assertEquals(local.code, 0, local.stderr);
    const pictures = ["online", "offline", "local"].map((out) =>
      Deno.readFile(`${place}/${out}/grid.png`)
    );
    const [online, ...others] = await Promise.all(pictures);
    for (const other of others) assertEquals(other, online);
  },
});
