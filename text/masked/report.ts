/** Parts of the report of masked diffusion. */
import type { KeyFigure } from "../../base/figure.ts";
import { type MetricsChart, metricsPlots } from "../../report/report.ts";
import type { ReportSection, ReportTexts } from "../../report/sections.ts";
import { readMetrics } from "../../training/metrics.ts";
import { percent } from "../../metrics/measured_figure.ts";
import { readTrainingTime, trainingSummary } from "../../cli/training_time.ts";
import type { MaskedSamples } from "./sample.ts";
import type { MaskedTask } from "./task.ts";

/** Examples in the report. */
const SHOWN = 6;

const CHARTS: MetricsChart[] = [
  {
    title: "Loss",
    xLabel: "step",
    columns: { loss: "training", valLoss: "validation (average)" },
    yLabel: "loss",
    yScale: "log",
  },
  { title: "Norm of the gradients", xLabel: "step", yLabel: "norm", columns: { gradNorm: "norm" } },
];

/** The last validation loss. */
export async function maskedFigures(directory: string): Promise<KeyFigure[]> {
  const rows = await readMetrics(`${directory}/metrics.csv`);
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  return [{
    name: "Validation loss",
    value: last["valLoss"]!.toFixed(4),
    protocol: `sum over masked tokens per target, averaged weights, step ${last.step}`,
  }];
}

/** Boards beside each other, for a monospaced font; single lines below each other. */
export function sideBySide(blocks: readonly (readonly string[])[]): string[] {
  if (blocks.every(({ length }) => length === 1)) return blocks.flat();
  const lines = Math.max(...blocks.map(({ length }) => length));
  const widths = blocks.map((block) => Math.max(...block.map(({ length }) => length)));
  return Array.from(
    { length: lines },
    (_, line) =>
      blocks.map((block, i) => (block[line] ?? "").padEnd(widths[i]!)).join("     ").trimEnd(),
  );
}

/** How an example is filled in: what is given, the step half way, and the answer. */
export function fillingLines(
  { answers, trajectories }: MaskedSamples,
  task: Pick<MaskedTask, "show">,
  index = 0,
): string[] {
  const [answer, steps] = [answers[index]!, trajectories[index]!];
  const half = steps[Math.floor(steps.length / 2)]!;
  return sideBySide([answer.prompt, half, answer.text].map((text) => task.show(text)));
}

export function maskedTexts(
  samples: MaskedSamples,
  task: Pick<MaskedTask, "show" | "unit">,
): ReportTexts[] {
  const { answers, trajectories } = samples;
  if (answers.length === 0) return [];
  const shown = answers.slice(0, SHOWN).map((answer, i) => ({
    prompt: answer.right ? "right" : "wrong",
    text:
      (i < trajectories.length
        ? fillingLines(samples, task, i)
        : sideBySide([task.show(answer.prompt), task.show(answer.text)])).join("\n"),
  }));
  const caption = `The first ${task.unit}, not chosen: given, half way (of some), answer`;
  return [{ caption, monospace: true, texts: shown }];
}

export function maskedEvaluation({ scores }: MaskedSamples, { unit }: MaskedTask): ReportSection {
  return {
    heading: "Steps",
    table: {
      columns: ["at most this many steps", `${unit} entirely right`, "masked tokens right"],
      rows: scores.map(({ steps, examples, tokens }) => [
        String(steps),
        percent(examples),
        percent(tokens),
      ]),
    },
  };
}

export async function maskedTraining(
  directory: string,
  { config, unit, device }: Parameters<typeof trainingSummary>[1],
): Promise<ReportSection> {
  const time = await readTrainingTime(directory);
  return {
    heading: "Training",
    notes: [trainingSummary(time, { config, unit, device })],
    plots: metricsPlots(CHARTS, await readMetrics(`${directory}/metrics.csv`)),
  };
}
