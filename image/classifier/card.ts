/** The classifier's model card. */
import type { ClassifierConfig } from "./network.ts";

export interface ClassifierMetrics {
  /** The accuracy on the test images, from 0 to 1. */
  readonly testAccuracy: number;
  readonly protocol: string;
  readonly command: string;
  /** The seed of weights, data order and augmentation. */
  readonly seed: number;
  readonly epochs: number;
  readonly batchSize: number;
  /** The learning rate after the warm-up. */
  readonly learningRate: number;
  /** Steps over which the learning rate rises. */
  readonly warmupSteps: number;
  readonly weightDecay: number;
  /** The decay of the moving average, which is saved. */
  readonly emaDecay: number;
  readonly maxShift: number;
  readonly parameters: number;
  readonly data: Readonly<Record<string, string>>;
}

export function classifierCard(config: ClassifierConfig, metrics: ClassifierMetrics): string {
  const { testAccuracy, protocol, command, epochs, batchSize, maxShift, seed } = metrics;
  const { learningRate, warmupSteps, weightDecay, emaDecay } = metrics;
  return `# FashionMNIST classifier

FID, KID, precision, recall and class agreement of this project are measured on the ${config.features}
features before the last layer. They cannot be compared with figures on the features of another network or
of another training run.

- Test accuracy: ${(100 * testAccuracy).toFixed(2)} % (${protocol}).
- Network: 3x3 convolutions with ${
    config.channels.join(", ")
  } channels at 28, 14, 7 and 4 pixels: at
  each resolution one with stride 2 and a residual one, with group normalization and SiLU; then the mean
  over the image, ${config.features} features and ${config.classes} classes.
  ${
    metrics.parameters.toLocaleString("en")
  } parameters in float16, with the names and shapes of PyTorch.
- Input: [B, 28, 28, 1] in [-1, 1].
- Training: ${epochs} epochs of AdamW with batches of ${batchSize}, learning rate ${learningRate} after
  ${warmupSteps} warm-up steps with cosine decay, weight decay ${weightDecay}, moving average of the
  weights (${emaDecay}), mirrored images and shifts of up to ${maxShift} pixels, seed ${seed}.
- Command: \`${command}\`
- Data: FashionMNIST (Zalando SE, MIT licence); the hashes of its files are in metrics.json.
`;
}
