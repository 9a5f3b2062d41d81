/** Texts as text.ts's flags ask for them. */
import { type HotelReviews, loadHotelReviews } from "../datasets/hotel_reviews.ts";
import type { TextConfig, TextFlags } from "./text_flags.ts";

/** Texts to train on, texts held out, and where they came from. */
export interface Texts extends Omit<HotelReviews, "train" | "validation"> {
  /** Texts to train on. */
  readonly train: readonly string[];
  /** Texts held out. */
  readonly validation: readonly string[];
}

/**
 * Loads the texts and says where they came from. The smoke preset is content with the bundled sample.
 *
 * @throws {UserError} As loadHotelReviews.
 */
export async function loadTexts(
  { dataDir, preset }: TextFlags,
  { validationSize }: Pick<TextConfig, "validationSize">,
): Promise<Texts> {
  const data = await loadHotelReviews({
    validationSize,
    ...(dataDir === undefined ? {} : { dataDir }),
    sampleOnly: preset === "smoke" && dataDir === undefined,
    log: (line) => console.error(line),
  });
  console.log(data.description);
  const textOf = ({ text }: { readonly text: string }) => text;
  return { ...data, train: data.train.map(textOf), validation: data.validation.map(textOf) };
}
