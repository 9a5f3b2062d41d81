/** The classifier's model card. */
import type { ClassifierConfig } from "./network.ts";

/** What is recorded about a trained classifier, in metrics.json. */
export interface ClassifierMetrics {
  /** The share of test images whose class it finds. */
  readonly testAccuracy: number;
  /** How that was measured. */
  readonly protocol: string;
  /** The command that trained it. */
  readonly command: string;
  /** The seed of weights, data order and augmentation. */
  readonly seed: number;
  /** Passes over the training images. */
  readonly epochs: number;
  /** Images a step. */
  readonly batchSize: number;
  /** The highest learning rate. */
  readonly learningRate: number;
  /** Steps over which it rises. */
  readonly warmupSteps: number;
  /** Decoupled weight decay. */
  readonly weightDecay: number;
  /** Of the moving average that is saved. */
  readonly emaDecay: number;
  /** The largest shift of an image, in pixels. */
  readonly maxShift: number;
  /** Trained numbers. */
  readonly parameters: number;
  /** SHA-256 of the data's files by name. */
  readonly data: Readonly<Record<string, string>>;
}

/** Writes the model card, in Markdown. */
export function classifierCard(config: ClassifierConfig, metrics: ClassifierMetrics): string {
  const { testAccuracy, protocol, command, epochs, batchSize, maxShift, seed } = metrics;
  const { learningRate, warmupSteps, weightDecay, emaDecay } = metrics;
  return `# FashionMNIST classifier

FID, KID, precision, recall and class agreement of this project are measured on the ${config.features}
features before its last layer. Figures that were measured with other features, or with another
training of these, cannot be compared with them.

- Test accuracy: ${(100 * testAccuracy).toFixed(2)} % (${protocol}).
- Network: convolutions of 3x3 with ${
    config.channels.join(", ")
  } channels at 28, 14, 7 and 4 pixels, at
  each resolution one of stride 2 and a residual one, with group normalization and SiLU; the mean over
  the image, ${config.features} features, ${config.classes} classes.
  ${metrics.parameters.toLocaleString("en")} parameters in float16, with PyTorch's names and shapes.
- Input: [B, 28, 28, 1] in [-1, 1].
- Training: ${epochs} epochs of AdamW in batches of ${batchSize}, learning rate ${learningRate} after
  ${warmupSteps} steps of warm-up and falling along a cosine, weight decay ${weightDecay}, moving average
  of the weights (${emaDecay}), mirrored images and shifts of up to ${maxShift} pixels, seed ${seed}.
- Command: \`${command}\`
- Data: FashionMNIST (Zalando SE, MIT licence); the files' hashes are in metrics.json.
`;
}
