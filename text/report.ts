/** What text.ts measures, and how its report shows it. */
import type { TextConfig } from "./flags.ts";
import type { MetricsRow } from "../training/metrics.ts";
import type { KeyFigure, MetricsChart, ReportTexts } from "../report/report.ts";
import type { TextVaeEvaluation } from "./autoencoder/evaluate.ts";
import { SUBSTITUTED } from "./autoencoder/quality.ts";

/** The charts of a report. */
export const TEXT_CHARTS: MetricsChart[] = [
  {
    title: "Reconstruction",
    xLabel: "step",
    columns: { reconstruction: "training", valLoss: "validation (average)" },
    yLabel: "nats a token",
    yScale: "log",
  },
  {
    title: "Token accuracy on held-out texts, each token given those before it",
    xLabel: "step",
    columns: { valTokenAccuracy: "validation (average)" },
    yLabel: "share of tokens",
  },
  { title: "Divergence", xLabel: "step", yLabel: "nats a text", columns: { divergence: "KL" } },
  { title: "Norm of the gradients", xLabel: "step", yLabel: "norm", columns: { gradNorm: "norm" } },
];

/** The figures of a report, from the last row that has them. */
export function textFigures(rows: readonly MetricsRow[], config: TextConfig): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  const protocol = `${config.validationSize} held-out texts at most, cut to ${config.maxTokens} ` +
    `tokens, each token given those before it and the latents, averaged weights, step ${last.step}`;
  return [
    {
      name: "Validation loss",
      value: last["valLoss"]!.toFixed(4),
      protocol: `nats a token, ${protocol}`,
    },
    {
      name: "Token accuracy",
      value: `${(100 * last["valTokenAccuracy"]!).toFixed(2)} %`,
      protocol,
    },
  ];
}

/** How texts were decoded and compared, in words. */
export function reconstructionProtocol(
  { maxTokens, steps }: Pick<TextConfig, "maxTokens" | "steps">,
  texts: number,
): string {
  return `${texts} held-out texts, cut to ${maxTokens} tokens, encoded once, decoded greedily from the ` +
    `latents alone; corpus BLEU as sacrebleu's 13a; averaged weights, step ${steps}`;
}

/** The figures of what came back from latents. */
export function evaluationFigures(
  { quality, perplexity }: TextVaeEvaluation,
  protocol: string,
): KeyFigure[] {
  const { clean, substituted, noised, noisedArea, latents } = quality;
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return [
    { name: "BLEU", value: clean.bleu.toFixed(2), protocol },
    { name: "Tokens at their place", value: percent(clean.tokenAccuracy), protocol },
    { name: "Texts without a difference", value: percent(clean.exact), protocol },
    {
      name: "Robust BLEU",
      value: substituted.bleu.toFixed(2),
      protocol: `${percent(SUBSTITUTED)} of the encoder's tokens substituted; ${protocol}`,
    },
    {
      name: "BLEU under noise, area",
      value: noisedArea.toFixed(2),
      protocol: `BLEU by the deviation of noise on latents, ${
        noised.map(({ deviation, bleu }) => `${deviation}: ${bleu.toFixed(1)}`).join(", ")
      }; trapezoids; ${protocol}`,
    },
    {
      name: "Perplexity of interpolations",
      value: perplexity.interpolated.toFixed(1),
      protocol: "of what the midpoints of two texts' latents decode to, under trigrams of the " +
        `training texts (Witten-Bell); held-out texts have ${
          perplexity.heldOut.toFixed(1)
        }, their ` +
        `reconstructions ${perplexity.reconstructed.toFixed(1)}`,
    },
    {
      name: "Latents",
      value: `mean ${latents.mean.toFixed(3)}, deviation ${latents.deviation.toFixed(3)}`,
      protocol: `${latents.active} of ${latents.numbers} numbers active (variance above 0.01)`,
    },
  ];
}

/** Texts to look at. */
export function evaluationTexts({ examples, interpolations }: TextVaeEvaluation): ReportTexts[] {
  return [
    {
      caption: "Originals, and what came back from their latents",
      texts: examples.map(({ original, reconstruction }) => ({
        prompt: original,
        text: reconstruction,
      })),
    },
    ...interpolations.map((texts, i) => ({
      caption: `From one text to another, ${i + 1}`,
      texts: texts.map((text) => ({ text })),
    })),
  ];
}
