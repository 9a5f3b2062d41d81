import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { openTextVae } from "../../../text/autoencoder/checkpoint.ts";
import { loadBert, loadGpt2 } from "../../../vae/pretrained.ts";
import { openModelFiles } from "../../../datasets/download/hub.ts";
import { folderWith, hasServer } from "../../datasets/tiny_dataset.ts";
import { serveHub } from "../../hub_server.ts";
import { imageRuns } from "../../image/program/program.ts";
import { HALF_BERT, HALF_GPT2, halfFiles } from "../../published_halves.ts";
import { runText, startText, TINY_TEXT, tinyDenoiser } from "./program.ts";

const ignore = !imageRuns;

/** Flags of a run that starts with the two models in a folder. */
function fromHalves(folder: string, flags: readonly string[] = TINY_TEXT): string[] {
  return [
    ...flags.filter((flag) => !/^--(en|de)coder-width=|^--vocab-size=/.test(flag)),
    "--encoder-from",
    `${folder}/bert`,
    "--decoder-from",
    `${folder}/gpt2`,
    "--initialization=random",
    "--random-texts=0",
    "--copy-steps=0",
    "--decoder-corruption=0.2",
    "--latent-source=first",
    "--encoder-heads=2",
  ];
}

Deno.test({
  name: "text --encoder-from --decoder-from starts with published halves and their tokenizers",
  ignore,
  fn: async () => {
    await using folder = await folderWith(halfFiles());
    const out = `${folder.path}/run`;
    const flags = [...fromHalves(folder.path), "--out", out];
    const run = await runText(...flags, "--steps=2", "--learning-rate=1e-9", "--ema-decay=0");
    assertEquals(run.code, 0, run.stderr);

    const { config, parameters, tokenizer, encoderTokenizer } = await openTextVae(out);
    assertEquals([config.encoder, config.decoder], [HALF_BERT, HALF_GPT2]);
    assertEquals(encoderTokenizer.vocabSize, HALF_BERT.vocabSize);
    const text = "the rooms was clean";
    assertEquals(
      Array.from(encoderTokenizer.encode(text), (id) => encoderTokenizer.token(id)),
      ["the", "room", "##s", "was", "clean"],
    );
    assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
    const halves = {
      encoder: await loadBert(await openModelFiles(`${folder.path}/bert`)),
      decoder: await loadGpt2(await openModelFiles(`${folder.path}/gpt2`)),
    };
    for (const [half, published] of Object.entries(halves)) {
      for (const [name, { data }] of Object.entries(published.parameters)) {
        const trained = parameters[`${half}.${name}`]!.data;
        data.forEach((value, i) => assertAlmostEquals(trained[i]!, value, 1e-6, name));
      }
    }
    const record = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    assertEquals(
      [record.config.encoderWidth, record.config.decoderWidth, record.config.vocabSize],
      [HALF_BERT.hiddenSize, HALF_GPT2.nEmbd, tokenizer.vocabSize],
    );
    assertEquals(record.data.map(({ name }: { name: string }) => name), [
      "hotel_reviews, train",
      "starting weights of the encoder",
      "starting weights of the decoder",
    ]);

    const longer = await runText(...flags, ...[
      "--steps=4",
      "--learning-rate=1e-9",
      "--ema-decay=0",
      "--resume",
    ]);
    assertEquals(longer.code, 0, longer.stderr);
    assertStringIncludes(longer.stdout, "continuing after step 2");
    assertEquals((await openTextVae(out)).encoderTokenizer.vocabSize, HALF_BERT.vocabSize);
  },
});

Deno.test({
  name: "text generates texts and encodes conditions with an autoencoder of two tokenizers",
  ignore,
  fn: async () => {
    await using folder = await folderWith(halfFiles());
    const out = `${folder.path}/run`;
    const flags = fromHalves(folder.path, tinyDenoiser("--stage=all", "--condition=continuation"));
    const { code, stdout, stderr } = await runText(...flags, "--condition-tokens=12", "--out", out);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "latents of 4 numbers");
    const samples = await Array.fromAsync(Deno.readDir(`${out}/diffusion/samples`));
    assert(samples.length > 0);
  },
});

Deno.test({
  name: "text --decoder-from alone trains a tokenizer for the encoder",
  ignore,
  fn: async () => {
    await using folder = await folderWith(halfFiles());
    const flags = fromHalves(folder.path).map((flag) => flag.endsWith("/gpt2") ? "none" : flag);
    const out = `${folder.path}/run`;
    const { code, stderr } = await runText(
      ...flags,
      "--vocab-size=310",
      "--decoder-width=8",
      "--steps=1",
      "--out",
      out,
    );
    assertEquals(code, 0, stderr);
    const { config, tokenizer, encoderTokenizer } = await openTextVae(out);
    assertEquals([tokenizer.vocabSize, config.decoder.vocabSize], [310, 310]);
    assertEquals(encoderTokenizer.vocabSize, HALF_BERT.vocabSize);
  },
});

Deno.test({
  name: "text refuses settings that published halves rule out, and unsound models, in one line",
  ignore,
  fn: async () => {
    const files = halfFiles();
    const without = "none/config.json";
    const lacking = new TextDecoder().decode(files["bert/vocab.txt"]).replace("[MASK]\n", "");
    await using folder = await folderWith({
      ...files,
      [without]: files["bert/config.json"]!,
      "lacking/config.json": files["bert/config.json"]!,
      "lacking/model.safetensors": files["bert/model.safetensors"]!,
      "lacking/vocab.txt": new TextEncoder().encode(lacking),
      "small/config.json": files["bert/config.json"]!,
      "small/model.safetensors": files["bert/model.safetensors"]!,
      "small/tokenizer.json": files["gpt2/tokenizer.json"]!,
      "small/tokenizer_config.json": files["gpt2/tokenizer_config.json"]!,
    });
    const { path } = folder;
    const refusals: [string[], number, string][] = [
      [["--random-texts=0.1"], 2, "--random-texts 0.1 is not for --encoder-from: random tokens"],
      [["--copy-steps=5"], 2, "--copy-steps 5 is not for --encoder-from"],
      [["--initialization=aligned"], 2, "--decoder-from is not for --initialization aligned"],
      [["--encoder-layers=3"], 2, "--encoder-layers 3: the model of --encoder-from or"],
      [["--vocab-size=400"], 2, "--vocab-size 400: the model of --encoder-from or"],
      [["--start-from=checkpoints/text-vae"], 2, "--encoder-from is not for --start-from"],
      [["--max-tokens=40"], 2, "Texts of 40 tokens take 42 positions of the encoder, which has 24"],
      [["--encoder-from", `${path}/none`], 1, "none has no model.safetensors"],
      [["--encoder-from", `${path}/lacking`], 1, 'lacks the special token "[MASK]" (mask)'],
      [
        ["--encoder-from", `${path}/small`],
        1,
        `tokens and embeddings of ${HALF_BERT.vocabSize}: tokenizer and model belong`,
      ],
      [["--encoder-from", `${path}/gpt2`], 1, 'model_type is "gpt2"'],
      [["--decoder-from", "no such model"], 1, '"no such model" names no model'],
    ];
    for (const [flags, expected, message] of refusals) {
      const [name = ""] = flags[0]!.split("=");
      const rest = fromHalves(path);
      const at = rest.findIndex((flag) => flag.split("=")[0] === name);
      if (at >= 0) rest.splice(at, rest[at]!.includes("=") ? 1 : 2);
      const { code, stderr } = await runText(...rest, ...flags, "--out", `${path}/never`);
      assertStringIncludes(stderr, message);
      assertEquals([code, stderr.trimEnd().split("\n").length], [expected, 1], stderr);
      assertEquals(await Deno.stat(`${path}/never`).then(() => true, () => false), false);
    }
  },
});

Deno.test({
  name: "text loads published halves from the hub of HF_ENDPOINT, and reports denied permissions",
  ignore: ignore || !hasServer,
  fn: async () => {
    await using folder = await folderWith();
    await using hub = serveHub(halfFiles());
    const out = `${folder.path}/run`;
    const whole = { HF_ENDPOINT: hub.address, NANODIFFUSION_CACHE: `${folder.path}/cache` };
    const run = (flags: readonly string[], env: Record<string, string> = whole, task = true) =>
      startText([...flags, "--steps=1", "--out", out], { env, task }).ended;
    const flags = fromHalves("ours");

    // The permission set allows only the public hub; the task adds the one in the environment.
    const denied = await run(flags, { HF_ENDPOINT: hub.address }, false);
    const { host } = new URL(hub.address);
    const message = `no permission to reach ${host} (--allow-net=${host})`;
    assertEquals([denied.code, denied.stderr.trimEnd().split("\n").length], [1, 1], denied.stderr);
    assertStringIncludes(denied.stderr, message);

    const absent = await run(fromHalves("theirs"));
    assertEquals(absent.code, 1);
    assertStringIncludes(absent.stderr, "status 404: there is no such model, revision or file");
    assertEquals(await Deno.stat(out).then(() => true, () => false), false);

    const { code, stderr } = await run(flags);
    assertEquals(code, 0, stderr);
    const record = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    assertEquals(record.data[1].origin, "ours/bert@0123456789ab");
  },
});
