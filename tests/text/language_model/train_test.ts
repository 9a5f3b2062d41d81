import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../../../engine/device.ts";
import { continueQuestions } from "../../../text/language_model/answers.ts";
import { compileLanguageReader, perplexityOf } from "../../../text/language_model/scores.ts";
import { ravel } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { findCheckpoint } from "../../../training/checkpoint/folders.ts";
import { loadLanguageModel } from "../../../text/language_model/checkpoint.ts";
import { trainLanguageModel } from "../../../text/language_model/train.ts";
import { openModelFiles } from "../../../datasets/download/hub.ts";
import { readMetrics } from "../../../training/metrics.ts";
import type { RunRecord } from "../../../cli/run_record.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { gpt2Specs } from "../../../vae/gpt2.ts";
import { compileGpt2Decoder } from "../../../vae/gpt2_decoder.ts";
import { answerSequence, questionTokens } from "../../../vae/language_batches.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { deviceWorks } from "../../devices.ts";
import { permitted } from "../../permissions.ts";

const LETTERS = ["a", "b", "c", "d", "e", "f"];

function tokenizerOf(): TextTokenizer {
  const { tokenizer, config } = trainBpe([LETTERS.join(" ")], {
    vocabSize: 300,
    splitDigits: false,
  });
  return new TextTokenizer(tokenizer, config);
}

Deno.test({
  name: "trainLanguageModel() learns to answer, resumes to the same bits, and is saved",
  ignore: !permitted({ name: "read" }, { name: "write" }) || !deviceWorks("onnx"),
  fn: async () => {
    const tokenizer = tokenizerOf();
    const device = await openDevice("onnx", { threads: 1 });
    // The answer to a letter is the next one, twice.
    const answer = (i: number) => LETTERS[(i + 1) % LETTERS.length]!.repeat(2);
    const examples = LETTERS.map((letter, i) => answerSequence(letter, answer(i), tokenizer));
    const model = {
      vocabSize: tokenizer.vocabSize,
      nPositions: 8,
      nEmbd: 32,
      nLayer: 1,
      nHead: 2,
      layerNormEpsilon: 1e-5,
      initializerRange: 0.05,
    };
    const config = {
      steps: 80,
      batchSize: 6,
      learningRate: 0.01,
      lrSchedule: "constant" as const,
      warmupSteps: 5,
      emaDecay: 0.9,
      logEvery: 20,
      evalEvery: 40,
      checkpointEvery: 100,
      weightDecay: 0,
      maxGradNorm: 1,
    };
    const place = await Deno.makeTempDir();
    const train = (name: string, steps: number) => {
      const record = { config: {}, configHash: "hash", seed: 3, data: [] } as unknown as RunRecord;
      return trainLanguageModel({
        device,
        model,
        tokenizer,
        train: examples,
        validation: examples,
        seed: 3,
        name: "test",
        run: { directory: `${place}/${name}`, record },
        config: { ...config, steps },
        log: () => {},
      });
    };
    try {
      await Deno.mkdir(`${place}/straight`);
      await Deno.mkdir(`${place}/resumed`);
      const straight = await train("straight", 80);
      await train("resumed", 30);
      const resumed = await train("resumed", 80);
      const specs = gpt2Specs(model);
      assertEquals(
        ravel(resumed.model.parameters, specs),
        ravel(straight.model.parameters, specs),
      );
      const rows = await readMetrics(`${place}/straight/metrics.csv`);
      assertEquals(rows.map(({ step }) => step), [20, 40, 60, 80]);
      assert(rows.at(-1)!["valLoss"]! < 0.1, `${rows.at(-1)!["valLoss"]}`);

      const newest = await findCheckpoint(`${place}/straight`);
      assertEquals(newest?.step, 80);
      const files = await openModelFiles(`${newest!.directory}/language_model`);
      const opened = await loadLanguageModel(files);
      assertEquals(ravel(opened.parameters, specs), ravel(straight.model.parameters, specs));
      const decoder = compileGpt2Decoder(device, opened.parameters, opened.config, 8);
      const questions = LETTERS.map((letter) => questionTokens(letter, opened.tokenizer));
      const answers = await continueQuestions(decoder, questions, {
        endId: tokenizer.id("eos"),
        maxTokens: 4,
        temperature: 0,
        random: randomStream(0),
        numbers: [...LETTERS.keys()],
      });
      assertEquals(
        answers.map((ids) => opened.tokenizer.decode(ids)),
        LETTERS.map((_, i) => answer(i)),
      );
      await decoder.dispose();
      // The loss, and the perplexity, are those of the answers alone.
      const reader = compileLanguageReader(device, opened);
      assert(perplexityOf(await reader.read(examples)) < Math.exp(0.1));
      await reader.dispose();
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});
