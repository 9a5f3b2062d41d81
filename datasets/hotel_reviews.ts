/**
 * Hotel reviews from TripAdvisor with ratings of 1 to 5 stars (Alam, Ryu and Lee 2016, "Joint
 * multi-grain topic sentiment"): 20,491 English reviews without stop words, each after its title.
 * CC BY-NC 4.0: not for commercial use, and not part of this project. A public copy of the first 2,000 is
 * pinned by hash and downloaded. The whole file is identified by its first 2,000 reviews and its length.
 */
import { join } from "node:path";
import { usageError, UserError } from "../base/errors.ts";
import { readFileIfExists } from "../base/files.ts";
import { quote } from "../base/quote.ts";
import { type Dataset, pinnedFiles } from "./dataset.ts";
import { gunzip, isGzip } from "./download/gzip.ts";
import { sha256Hex } from "./download/integrity.ts";
import { holdOut } from "./split.ts";
import {
  openDataset,
  type OpenedDataset,
  type Provenance,
  provenanceOf,
  type SourceOptions,
} from "./sources.ts";
import { csvRecords, type TextPair } from "./text_files.ts";

/** A review and its rating. */
export interface HotelReview {
  /** What the guest wrote. */
  readonly text: string;
  /** Stars, 1 to 5. */
  readonly rating: number;
}

/** The number of ratings; a review's class is its rating minus 1. */
export const RATINGS = 5;

const FIRST = "tripadvisor_hotel_reviews.first2000.csv.gz";

/** The whole set, which a data folder may contain. */
const WHOLE = { name: "tripadvisor_hotel_reviews.csv", rows: 20_491, maxBytes: 64e6 } as const;

export const HOTEL_REVIEWS: Dataset = {
  title: "Hotel reviews",
  id: "hotel-reviews",
  files: [{
    name: FIRST,
    sha256: "0fb94c2d882d3cb5689530edc8388abe1d3acd33ab7c549a26a9d1749c3ede9f",
    size: 1_213_634,
    rows: 2_000,
    addresses: [
      "https://raw.githubusercontent.com/Siti-M/Analisis-Sentimen-Hotel-di-TripAdvisor/" +
      "cdd892baa26645027e6fe470769ea47d3a69e654/tripadvisor_hotel_reviews.csv",
    ],
  }],
  otherFolders: ["tripadvisor"],
  sample: {
    folder: new URL("./samples/hotel-reviews/", import.meta.url),
    files: pinnedFiles(
      "d78eae26e1aab8d2fa6848cae2bfa64345769315e49b353441d0178841118c54 96399 500 hotel_reviews.csv",
    ),
    description: "500 reviews written for this project, of hotels that do not exist",
  },
};

/** Options of {@linkcode loadHotelReviews}. */
export interface HotelReviewsOptions extends SourceOptions {
  /** The number of reviews to hold out for validation. @default {a twentieth} */
  readonly validationSize?: number | undefined;
}

/** Hotel reviews, in memory. */
export interface HotelReviews extends Provenance {
  /** Reviews to train on, in the file's order. */
  readonly train: readonly HotelReview[];
  /** The held-out reviews, the same in every run, in the file's order. */
  readonly validation: readonly HotelReview[];
}

/** Reads a CSV with the columns Review and Rating. White space around a review is removed. */
export function parseHotelReviews(bytes: Uint8Array<ArrayBuffer>, name: string): HotelReview[] {
  const reviews = csvRecords(bytes, name, ["Review", "Rating"]).map(({ value, where }) => {
    const text = value.Review.trim();
    if (text === "") throw new UserError(`${where}: the review is empty`);
    if (!/^[1-5](\.0*)?$/.test(value.Rating.trim())) {
      throw new UserError(
        `${where}: the rating is ${quote(value.Rating)}, which is not one of 1 to 5`,
      );
    }
    return { text, rating: Number(value.Rating) };
  });
  if (reviews.length === 0) throw new UserError(`${name}: no reviews`);
  return reviews;
}

async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const stored = await readFileIfExists(path);
  if (stored === undefined || !isGzip(stored)) return stored;
  const unpacked = gunzip(stored, WHOLE.maxBytes);
  if ("fault" in unpacked) throw new UserError(`${path}: ${unpacked.fault}: ${unpacked.detail}`);
  return unpacked.bytes;
}

/** A hash of reviews that does not depend on the file's line ends and quotes. */
const fingerprint = (reviews: readonly HotelReview[]) =>
  sha256Hex(
    new TextEncoder().encode(JSON.stringify(reviews.map(({ text, rating }) => [text, rating]))),
  );

const FIRST_FINGERPRINT = "0c44922f9bfea54b07018cee2653c4273131dfe5a3786c37f53ff0aabc87742b";

/** The whole set from a data folder, or undefined if it does not contain it. */
async function openWhole(
  dataDir: string,
  dataDirName: string,
): Promise<OpenedDataset | undefined> {
  const folders = [HOTEL_REVIEWS.id, ".", ...HOTEL_REVIEWS.otherFolders!];
  for (const place of folders.map((name) => join(dataDir, name))) {
    for (const name of [WHOLE.name, `${WHOLE.name}.gz`]) {
      const path = join(place, name);
      const bytes = await readIfThere(path);
      if (bytes === undefined) continue;
      const reviews = parseHotelReviews(bytes, path);
      const known = await fingerprint(reviews.slice(0, 2000)) === FIRST_FINGERPRINT;
      if (!known || ![2000, WHOLE.rows].includes(reviews.length)) {
        const others = known ? "" : ", and not the known ones";
        throw usageError(
          `${dataDirName}: ${path} has ${reviews.length} reviews${others}: altered; the set has ` +
            `${WHOLE.rows}. Put the right file there, or leave ${dataDirName} out`,
        );
      }
      const sha256 = { [WHOLE.name]: await sha256Hex(bytes) };
      const contents = new Map([[WHOLE.name, bytes]]);
      return { origin: "data-dir", place, contents, sha256, passedOver: [] };
    }
  }
  return undefined;
}

/**
 * Loads the reviews from the first place that has them (see {@linkcode openDataset} for the order and
 * the options), and holds a part of them out for validation. A `dataDir` may contain all 20,491 as
 * `tripadvisor_hotel_reviews.csv`, whose hash is then part of the run's record.
 *
 * @throws {UserError} As {@linkcode openDataset} and {@linkcode parseHotelReviews}.
 * @throws {RangeError} If `validationSize` leaves nothing to train on or to validate with.
 */
export async function loadHotelReviews(options: HotelReviewsOptions = {}): Promise<HotelReviews> {
  const { dataDir, dataDirName = "dataDir", sampleOnly = false } = options;
  const whole = dataDir === undefined || sampleOnly
    ? undefined
    : await openWhole(dataDir, dataDirName);
  const opened = whole ?? await openDataset(HOTEL_REVIEWS, options);
  const [[name, bytes] = []] = opened.contents;
  const reviews = parseHotelReviews(bytes!, join(opened.place, name!));
  const { validationSize = Math.floor(reviews.length / 20) } = options;
  const { kept, heldOut } = holdOut(reviews, validationSize, VALIDATION);
  return { train: kept, validation: heldOut, ...provenanceOf(HOTEL_REVIEWS, opened) };
}

const VALIDATION = "hotel reviews validation";

export interface HeldOut {
  readonly rows: number;
  readonly validationSize: number;
}

/**
 * The number of reviews that are held out now and were trained on before. For the same number of reviews
 * it is 0 if no more are held out now, since a larger part contains the smaller one. The first 2,000
 * reviews are part of the whole set, which holds out others of them.
 */
export function knownHeldOut(then: HeldOut, now: HeldOut): number {
  const chosen = ({ rows, validationSize }: HeldOut) =>
    holdOut([...Array(rows).keys()], validationSize, VALIDATION).heldOut;
  const unseen = new Set(chosen(then));
  return chosen(now).filter((row) => row < then.rows && !unseen.has(row)).length;
}

/** A longer first sentence is probably several sentences that have lost their full stops. */
const MAX_LEAD_WORDS = 30;

const countWords = (text: string) => text.split(/\s+/).length;

/**
 * Splits a review after its first sentence, or after its first clause if the sentence has more than 30
 * words (the public set has lost many full stops). The first part has at least three words, so that "Great
 * stay!" includes the next sentence. Undefined if the review is one sentence.
 */
export function splitLead(text: string): { lead: string; rest: string } | undefined {
  const cuts = [/[.!?…]+["')\]]*\s+/g, /[,;]\s+/g].map((end) =>
    text.matchAll(end).map(({ index, 0: match }) => ({
      lead: text.slice(0, index + match.length).trim(),
      rest: text.slice(index + match.length).trim(),
    })).find(({ lead, rest }) => countWords(lead) >= 3 && /\p{L}/u.test(rest))
  );
  const [sentence, clause] = cuts;
  const isShort = sentence !== undefined && countWords(sentence.lead) <= MAX_LEAD_WORDS;
  return isShort ? sentence : clause ?? sentence;
}

/** For continuation: the condition is the first sentence, the target is the rest. */
export function continuationPair(
  { text }: Pick<HotelReview, "text"> & Partial<HotelReview>,
): TextPair | undefined {
  const parts = splitLead(text);
  return parts && { condition: parts.lead, target: parts.rest };
}

/**
 * For summarisation: the target is the first sentence, mostly a title or a verdict, and the condition is
 * the rest, as in PEGASUS's gap sentences (Zhang et al. 2020, arXiv:1912.08777). The target cannot be
 * copied, since the condition does not contain it.
 */
export function summaryPair(
  { text }: Pick<HotelReview, "text"> & Partial<HotelReview>,
): TextPair | undefined {
  const parts = splitLead(text);
  return parts && { condition: parts.rest, target: parts.lead };
}
