/**
 * Tokenizers compared with transformers in Python. PYTHON in the environment names a Python that has
 * transformers, TOKENIZERS a folder with bert-base-uncased/vocab.txt and gpt2/encoder.json and
 * vocab.bpe. Tests that lack one of these are skipped.
 */
import { assertEquals } from "@std/assert";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { loadTokenizer } from "../../../vae/tokenizer/files.ts";
import { permitted } from "../../permissions.ts";
import { HARD_TEXTS, REVIEWS } from "../corpus.ts";

const variable = (name: string) =>
  permitted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
const python = variable("PYTHON");
const folder = variable("TOKENIZERS");

async function hasTransformers(): Promise<boolean> {
  if (python === undefined || !permitted({ name: "run" }, { name: "write" })) return false;
  const child = new Deno.Command(python, {
    args: ["-c", "import tokenizers, transformers"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  return await child.output().then(({ success }) => success, () => false);
}

const ignore = !await hasTransformers();
const noFolder = folder === undefined || !permitted({ name: "read", path: folder });

/** The results that Python must reproduce. */
function expectations(tokenizer: TextTokenizer, texts: readonly string[]) {
  const bare = texts.map((text) => [...tokenizer.encode(text)]);
  return {
    texts,
    bare,
    marked: texts.map((text) => [...tokenizer.encode(text, { addSpecialTokens: true })]),
    decoded: bare.map((ids) => tokenizer.decode(ids)),
  };
}

/** Runs check_tokenizer.py, which must succeed. */
async function check(place: string, cases: readonly unknown[]): Promise<void> {
  await Deno.writeTextFile(`${place}/cases.json`, JSON.stringify(cases));
  const script = new URL("./check_tokenizer.py", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(python!, {
    args: [script, `${place}/cases.json`],
    env: { HF_HUB_OFFLINE: "1" },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(code, 0, decode(stdout) + decode(stderr));
  assertEquals(decode(stdout).match(/^same/gm)?.length, cases.length);
}

Deno.test({
  name: "trainBpe() agrees with transformers on merges, ids and texts",
  ignore,
  fn: async () => {
    const place = await Deno.makeTempDir();
    try {
      const cases: unknown[] = [];
      for (const modelType of ["none", "bert", "gpt2"]) {
        for (const splitDigits of [false, true]) {
          const path = `${place}/${modelType}-${splitDigits}`;
          await Deno.mkdir(path);
          const { tokenizer, config } = trainBpe(REVIEWS, { vocabSize: 420, splitDigits });
          const trained = new TextTokenizer(tokenizer, config);
          for (const [name, bytes] of trained.files()) {
            await Deno.writeFile(`${path}/${name}`, bytes);
          }
          if (modelType !== "none") {
            const model = JSON.stringify({ model_type: modelType });
            await Deno.writeTextFile(`${path}/config.json`, model);
          }
          cases.push({
            ...expectations(trained, [...REVIEWS, ...HARD_TEXTS]),
            folder: path,
            special: { pad: 0, cls: 1, sep: 2, mask: 3, bos: 4, eos: 4 },
            train: { vocabSize: 420, texts: REVIEWS },
          });
        }
      }
      await check(place, cases);
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});

Deno.test({
  name: "loadTokenizer() agrees with transformers on BERT's and GPT-2's own tokenizers",
  ignore: ignore || noFolder,
  fn: async () => {
    const place = await Deno.makeTempDir();
    try {
      const [bert, gpt2] = [`${folder}/bert-base-uncased`, `${folder}/gpt2`];
      await check(place, [
        {
          bert,
          special: { pad: 0, unk: 100, cls: 101, sep: 102, mask: 103 },
          ...expectations(await loadTokenizer(bert), [...REVIEWS, ...HARD_TEXTS]),
        },
        {
          gpt2,
          special: { bos: 50256, eos: 50256 },
          ...expectations(await loadTokenizer(gpt2), [...REVIEWS, ...HARD_TEXTS]),
        },
      ]);
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});

Deno.test({
  name: "loadTokenizer() gives the ids of transformers' documentation when the files are BERT's",
  ignore: noFolder,
  fn: async () => {
    const bert = await loadTokenizer(`${folder}/bert-base-uncased`, { needs: ["cls", "mask"] });
    const ids = (text: string) => [...bert.encode(text, { addSpecialTokens: true })];
    assertEquals(ids("Hello, my dog is cute"), [101, 7592, 1010, 2026, 3899, 2003, 10140, 102]);
    assertEquals(bert.vocabSize, 30522);
    assertEquals(bert.decode(ids("the capital of france is [MASK].")), "the capital of france is.");
  },
});

Deno.test({
  name: "loadTokenizer() gives the ids of transformers' documentation when the files are GPT-2's",
  ignore: noFolder,
  fn: async () => {
    const gpt2 = await loadTokenizer(`${folder}/gpt2`, { needs: ["eos"] });
    assertEquals([...gpt2.encode("Hello world")], [15496, 995]);
    assertEquals([...gpt2.encode(" Hello world")], [18435, 995]);
    assertEquals([...gpt2.encode("Hello, my dog is cute")], [15496, 11, 616, 3290, 318, 13779]);
    assertEquals([gpt2.vocabSize, gpt2.id("eos")], [50257, 50256]);
    for (const text of HARD_TEXTS) {
      assertEquals(gpt2.decode(gpt2.encode(text, { splitSpecialTokens: true })), text);
    }
  },
});
