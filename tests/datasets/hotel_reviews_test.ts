import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzip } from "../../datasets/download/gzip.ts";
import {
  continuationPair,
  HOTEL_REVIEWS,
  loadHotelReviews,
  parseHotelReviews,
  splitLead,
  summaryPair,
} from "../../datasets/hotel_reviews.ts";
import { EXIT, UserError } from "../../base/errors.ts";
import { countNgrams } from "../../metrics/ngrams.ts";
import { tokenizeRouge } from "../../metrics/rouge.ts";
import { permitted } from "../permissions.ts";
import { dataDir, hasRealData } from "./real_data.ts";
import { folderWith, hasFiles } from "./tiny_dataset.ts";

const hasSample = permitted({ name: "read", path: fileURLToPath(HOTEL_REVIEWS.sample.folder) });

function counts(reviews: readonly { rating: number }[]): number[] {
  return [1, 2, 3, 4, 5].map((stars) => reviews.filter(({ rating }) => rating === stars).length);
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test({
  name: "loadHotelReviews() gives the bundled sample when sampleOnly is set",
  ignore: !hasSample,
  async fn() {
    const data = await loadHotelReviews({ sampleOnly: true });
    assertEquals([data.train.length, data.validation.length], [475, 25]);
    assertEquals(counts([...data.train, ...data.validation]), [77, 86, 86, 124, 127]);
    assertEquals(data.origin, "sample");
    assert(data.description.includes("ONLY THE BUNDLED SAMPLE, 500 reviews written for this"));
    const again = await loadHotelReviews({ sampleOnly: true });
    assertEquals(again.validation, data.validation);
    const train = new Set(data.train.map(({ text }) => text));
    assertEquals(data.validation.filter(({ text }) => train.has(text)), []);
  },
});

Deno.test({
  name: "loadHotelReviews() gives a sample in which no two reviews share eight words in a row",
  ignore: !hasSample,
  async fn() {
    const { train, validation } = await loadHotelReviews({ sampleOnly: true });
    const seen = new Map<string, string>();
    for (const { text } of [...train, ...validation]) {
      for (const ngram of countNgrams(tokenizeRouge(text), 8).keys()) {
        assertEquals(seen.get(ngram), undefined, ngram);
        seen.set(ngram, text);
      }
    }
    assert(seen.size > 10_000);
    const words = train.map(({ text }) => text.split(/\s+/).length).sort((a, b) => a - b);
    // From one word to a long paragraph.
    assertEquals([words[0], words.at(-1)! > 120], [1, true]);
  },
});

Deno.test({
  name: "loadHotelReviews() throws when validationSize leaves a part empty",
  ignore: !hasSample,
  async fn() {
    for (const validationSize of [0, 500, -1, 1.5, NaN]) {
      await assertRejects(
        () => loadHotelReviews({ sampleOnly: true, validationSize }),
        RangeError,
        `${validationSize} of 500 examples to hold out: it must be a whole number from 1 to 499`,
      );
    }
  },
});

Deno.test({
  name: "loadHotelReviews() throws when a file has the whole set's name but other content",
  ignore: !hasFiles,
  async fn() {
    const file = bytes("Review,Rating\nfine,3\n");
    await using folder = await folderWith({ "tripadvisor_hotel_reviews.csv": file });
    const error = await assertRejects(
      () => loadHotelReviews({ dataDir: folder.path }),
      UserError,
      "tripadvisor_hotel_reviews.csv has 1 reviews, and not the known ones: altered; the set has 20491",
    );
    assertEquals(error.exitCode, EXIT.usage);
    await Deno.writeTextFile(
      `${folder.path}/tripadvisor_hotel_reviews.csv`,
      'Review,Rating\n"a,1\n',
    );
    await assertRejects(
      () => loadHotelReviews({ dataDir: folder.path }),
      UserError,
      "tripadvisor_hotel_reviews.csv:2: the record that begins here has an unclosed quote",
    );
  },
});

Deno.test({
  name: "loadHotelReviews() gives the first 2,000 real reviews when a folder has them",
  ignore: !hasRealData,
  async fn() {
    const data = await loadHotelReviews({ dataDir });
    assertEquals([data.train.length, data.validation.length, data.origin], [1900, 100, "data-dir"]);
    assertEquals(counts([...data.train, ...data.validation]), [173, 188, 243, 593, 803]);
    const pairs = data.train.map(continuationPair).filter((pair) => pair !== undefined);
    assert(pairs.length > 1850, `${pairs.length} reviews have a first clause`);
    const long = pairs.filter(({ condition }) => condition.split(" ").length > 40);
    assert(long.length < 40, `${long.length} first clauses have more than 40 words`);
  },
});

Deno.test({
  name: "loadHotelReviews() accepts a file of 20,491 reviews that begins with the known ones",
  ignore: !hasRealData || !hasFiles,
  async fn() {
    const name = "tripadvisor_hotel_reviews.first2000.csv.gz";
    const packed = await Deno.readFile(join(dataDir!, "tripadvisor", name));
    const unpacked = gunzip(packed, 1e8);
    assert("bytes" in unpacked);
    const first = new TextDecoder().decode(unpacked.bytes).replaceAll("\r\n", "\n");
    const rest = Array.from({ length: 18_491 }, (_, i) => `another stay number ${i},3\n`).join("");
    await using folder = await folderWith({
      "tripadvisor_hotel_reviews.csv": bytes(first + rest),
      "short/tripadvisor_hotel_reviews.csv": bytes(first + "one more,3\n"),
    });
    const data = await loadHotelReviews({ dataDir: folder.path });
    assertEquals([data.train.length, data.validation.length], [19_467, 1024]);
    assertEquals(Object.keys(data.sha256), ["tripadvisor_hotel_reviews.csv"]);
    await assertRejects(
      () => loadHotelReviews({ dataDir: join(folder.path, "short") }),
      UserError,
      "has 2001 reviews: altered; the set has 20491",
    );
  },
});

Deno.test("parseHotelReviews() names the file and the line when a row is invalid", () => {
  const cases = [
    ["Review,Rating\nfine,3\nbad,6\n", 'a.csv:3: the rating is "6", which is not one of 1 to 5'],
    ["Review,Rating\nfine,\n", 'a.csv:2: the rating is "", which'],
    ["Review,Rating\nfine,4.5\n", 'a.csv:2: the rating is "4.5", which'],
    ['Review,Rating\n"two\nlines",3\n"  ",3\n', "a.csv:4: the review is empty"],
    ["Review,Rating\n", "a.csv: no reviews"],
    ["Text,Rating\nfine,3\n", "a.csv:1: no column Review; the columns are Text, Rating"],
  ] as const;
  for (const [text, message] of cases) {
    assertThrows(() => parseHotelReviews(bytes(text), "a.csv"), UserError, message);
  }
  assertEquals(parseHotelReviews(bytes("Review,Rating\nfine,5.0\n"), "a.csv")[0]!.rating, 5);
  assertEquals(parseHotelReviews(bytes('Rating,Review\n2,"  so, so  "\n'), "a.csv"), [
    { text: "so, so", rating: 2 },
  ]);
});

Deno.test("splitLead() splits after the first sentence of at least three words", () => {
  const split = (text: string) => {
    const parts = splitLead(text);
    return parts && [parts.lead, parts.rest];
  };
  assertEquals(split('We loved it! "Best," she said.'), ["We loved it!", '"Best," she said.']);
  assertEquals(split("Wow. Just wow. Go there."), ["Wow. Just wow.", "Go there."]);
  assertEquals(split("It cost 3.50 a night. Cheap."), ["It cost 3.50 a night.", "Cheap."]);
  // The public set's full stops are mostly commas.
  assertEquals(split("nice hotel downtown, staff ok, "), ["nice hotel downtown,", "staff ok,"]);
  assertEquals(split("ok, nice, quiet room, good"), ["ok, nice, quiet room,", "good"]);
  const clipped = `nice hotel downtown, ${"quiet ".repeat(40)}room. good`;
  assertEquals(split(clipped)?.[0], "nice hotel downtown,");
  const noClause = `${"very ".repeat(40)}nice. Good`;
  assertEquals(split(noClause)?.[1], "Good");
  assertEquals(split("One sentence only."), undefined);
  assertEquals(split("Not much to say! :-)"), undefined);
});

Deno.test("continuationPair() and summaryPair() give a condition and a target without common text", () => {
  const review = { text: "A very odd place. The lift talks. I answered.", rating: 3 };
  assertEquals(continuationPair(review), {
    condition: "A very odd place.",
    target: "The lift talks. I answered.",
  });
  assertEquals(summaryPair(review), {
    condition: "The lift talks. I answered.",
    target: "A very odd place.",
  });
  assertEquals(summaryPair({ text: "Fine", rating: 3 }), undefined);
});
