/** Readers of data sets and of files that runs go on from: IDX, gzip, CSV, JSON lines, PNG. */
import { createHash } from "node:crypto";
import { parseGsm8k } from "../../datasets/gsm8k.ts";
import { gzip } from "../../datasets/download/gzip.ts";
import { parseHotelReviews } from "../../datasets/hotel_reviews.ts";
import { formatIdx, parseIdx } from "../../datasets/idx.ts";
import { inspect } from "../../datasets/download/integrity.ts";
import { parseWinograd } from "../../datasets/winograd.ts";
import { UserError } from "../../base/errors.ts";
import { type Dice, mutateBytes, mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";

const encode = (text: string) => new TextEncoder().encode(text);

const IDX = [
  formatIdx({ shape: [3, 4, 4], data: Uint8Array.from({ length: 48 }, (_, i) => i) }),
  formatIdx({ shape: [5], data: Uint8Array.of(1, 2, 3, 4, 5) }),
];

survives({
  name: "parseIdx()",
  input: (dice) => mutateBytes(dice.pick(IDX), dice),
  read: (bytes) => parseIdx(bytes, { name: "labels.idx" }),
  names: /^labels\.idx: /,
});

const TEXT = encode("All work and no play makes Jack a dull boy.\n".repeat(40));
const PACKED = gzip(TEXT);
const PIN = {
  name: "text.gz",
  sha256: createHash("sha256").update(TEXT).digest("hex"),
  size: TEXT.length,
  rows: 40,
};

survives({
  name: "inspect()",
  // As it is at times, so that right ones are known, too.
  input: (dice) => dice.below(20) === 0 ? PACKED : mutateBytes(PACKED, dice),
  read: async (bytes) => {
    const found = await inspect(bytes, PIN);
    if ("fault" in found) throw new UserError(`${PIN.name}: ${found.detail}`);
    if (found.bytes.length !== TEXT.length) throw new Error("other bytes were accepted");
    return found;
  },
  names: /^text\.gz: (altered|truncated|empty|a Git|an )/,
});

const REVIEWS = encode(
  'Review,Rating\n"nice, quiet hotel, ""old"" lift",4\nbad location n\'t clean,1\n"two\nlines",3\n' +
    "expensive parking got good deal,5\n",
);

survives({
  name: "parseHotelReviews()",
  input: (dice) => mutateBytes(REVIEWS, dice),
  read: (bytes) => parseHotelReviews(bytes, "reviews.csv"),
  names: /^reviews\.csv(:\d+)?: /,
});

const LINES = {
  gsm8k: [
    { question: "Two and two?", answer: "It is 2+2=<<2+2=4>>4.\n#### 4" },
    { question: "Half of 10?", answer: "Half is 10/2=<<10/2=5>>5.\n#### 5" },
  ],
  winograd: [
    ...[1, 2].map((n) => ({
      qID: `a-${n}`,
      sentence: "The cup did not fit because _ was large.",
      ...{ option1: "the cup", option2: "the box", answer: String(n) },
    })),
  ],
};

/** Lines of which one is changed, in its bytes or in its values. */
function lines(rows: readonly unknown[], dice: Dice): Uint8Array<ArrayBuffer> {
  const whole = encode(rows.map((row) => JSON.stringify(row)).join("\n") + "\n");
  if (dice.below(2) === 0) return mutateBytes(whole, dice);
  const changed = new TextDecoder().decode(mutateJson(dice.pick(rows), dice));
  return encode(`${JSON.stringify(rows[0])}\n${changed}\n`);
}

survives({
  name: "parseGsm8k()",
  input: (dice) => lines(LINES.gsm8k, dice),
  read: (bytes) => parseGsm8k(bytes, "train.jsonl"),
  names: /^train\.jsonl:\d+: /,
});

survives({
  name: "parseWinograd()",
  input: (dice) => lines(LINES.winograd, dice),
  read: (bytes) => parseWinograd(bytes, "dev.jsonl"),
  names: /^dev\.jsonl:\d+: /,
});
