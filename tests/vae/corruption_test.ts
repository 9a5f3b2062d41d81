import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { randomStream } from "../../nn/random.ts";
import { type CorruptionOptions, inputCorruption } from "../../vae/corruption.ts";

const [PAD, CLS, SEP, MASK, END] = [0, 1, 2, 3, 50];
const options: Omit<CorruptionOptions, "kind"> = {
  ratio: 0.3,
  vocabSize: 60,
  specialIds: new Set([PAD, CLS, SEP, MASK, END]),
  maskId: MASK,
};
const KINDS = ["substitute", "bert", "span"] as const;
const random = randomStream(7);

/** [CLS], `length` times the token 20, a special token in the middle, [SEP], padding. */
function text(length: number, padding = 5): Int32Array {
  const half = Array.from({ length: length / 2 }, () => 20);
  return Int32Array.of(CLS, ...half, END, ...half, SEP, ...new Array(padding).fill(PAD));
}

const LONG = 20000;

/** Four standard deviations of a share of `count` samples. */
const tolerance = (share: number, count: number) => 4 * Math.sqrt(share * (1 - share) / count);

Deno.test("inputCorruption() does not change special tokens, the length or its input", () => {
  for (const kind of KINDS) {
    for (const ratioPerText of ["fixed", "uniform"] as const) {
      const corrupt = inputCorruption({ ...options, kind, ratio: 1, ratioPerText });
      const clean = text(40);
      const dirty = corrupt(clean, random.stream(kind));
      assertEquals(clean, text(40));
      assertEquals(dirty.length, clean.length);
      for (const [i, id] of clean.entries()) {
        if (options.specialIds.has(id)) assertEquals(dirty[i], id);
        else assert(dirty[i] === MASK || !options.specialIds.has(dirty[i]!), `${dirty[i]}`);
      }
      assertNotEquals(dirty, clean);
    }
  }
});

Deno.test("inputCorruption() substitutes the given share, uniformly by ordinary tokens", () => {
  const dirty = inputCorruption({ ...options, kind: "substitute" })(text(LONG), random);
  const ordinary = options.vocabSize - options.specialIds.size;
  const counts = new Map<number, number>();
  for (const id of dirty) counts.set(id, (counts.get(id) ?? 0) + 1);
  // One substitute in 55 is the token itself.
  const each = options.ratio / ordinary;
  assertAlmostEquals(counts.get(20)! / LONG, 0.7 + each, tolerance(0.3, LONG));
  for (let id = 4; id < options.vocabSize; id++) {
    if (id === 20 || id === END) continue;
    assertAlmostEquals((counts.get(id) ?? 0) / LONG, each, tolerance(each, LONG));
  }
  assertEquals(counts.get(MASK), undefined);
});

Deno.test("inputCorruption() masks 80 %, replaces 10 % and keeps 10 % when the kind is bert", () => {
  const dirty = inputCorruption({ ...options, kind: "bert" })(text(LONG), random);
  const masked = dirty.filter((id) => id === MASK).length / LONG;
  const replaced = dirty.filter((id) => id !== 20 && !options.specialIds.has(id)).length / LONG;
  assertAlmostEquals(masked, 0.3 * 0.8, tolerance(0.24, LONG));
  assertAlmostEquals(replaced, 0.3 * 0.1 * 54 / 55, tolerance(0.03, LONG));
});

Deno.test("inputCorruption() masks spans of the mean length in the given share", () => {
  const ratio = 0.01; // so rare that spans seldom overlap
  const dirty = inputCorruption({ ...options, kind: "span", ratio })(text(LONG), random);
  const masked = dirty.filter((id) => id === MASK).length;
  assert(Math.abs(masked - ratio * LONG) < 1, `${masked}`);
  const spans = dirty.filter((id, i) => id === MASK && dirty[i - 1] !== MASK).length;
  // max(1, Poisson(3)) has the mean 3 + e^-3; about 66 spans of a variance of at most 3.
  assertAlmostEquals(masked / spans, 3 + Math.exp(-3), 4 * Math.sqrt(3 / 66));
});

Deno.test("inputCorruption() masks the given share on average when texts are short", () => {
  const corrupt = inputCorruption({ ...options, kind: "span" });
  let masked = 0;
  for (let i = 0; i < 2000; i++) {
    masked += corrupt(text(4), random.at(i)).filter((id) => id === MASK).length;
  }
  assertAlmostEquals(masked / 8000, 0.3, tolerance(0.3, 2000));
});

Deno.test("inputCorruption() gives each text its own ratio when ratioPerText is uniform", () => {
  for (const kind of KINDS) {
    const corrupt = inputCorruption({ ...options, kind, ratio: 0.8, ratioPerText: "uniform" });
    const changed = kind === "bert" ? 0.8 + 0.1 * 54 / 55 : kind === "span" ? 1 : 54 / 55;
    const shares = Array.from({ length: 400 }, (_, i) => {
      const dirty = corrupt(text(400), random.at(i));
      return dirty.filter((id) => id === MASK || (id !== 20 && !options.specialIds.has(id)))
        .length;
    }).map((count) => count / 400 / changed);
    const mean = shares.reduce((sum, share) => sum + share, 0) / 400;
    // Uniform in [0, 0.8): mean 0.4, variance 0.8^2 / 12.
    assertAlmostEquals(mean, 0.4, 4 * Math.sqrt(0.64 / 12 / 400) + 0.005);
    assert(Math.min(...shares) < 0.05 && Math.max(...shares) > 0.72, kind);
  }
});

Deno.test("inputCorruption() is a function of the stream, and ignores padding", () => {
  for (const kind of KINDS) {
    const corrupt = inputCorruption({ ...options, kind });
    const corrupted = (seed: number, padding: number) =>
      corrupt(text(60, padding), randomStream(seed).stream("corruption").at(3));
    assertEquals(corrupted(1, 5), corrupted(1, 5));
    assertNotEquals(corrupted(1, 5), corrupted(2, 5));
    assertEquals(corrupted(1, 9).subarray(0, 63), corrupted(1, 0).subarray(0, 63));
  }
});

Deno.test("inputCorruption() changes nothing when the kind is none or the ratio 0", () => {
  assertEquals(inputCorruption({ ...options, kind: "none" })(text(20), random), text(20));
  for (const kind of KINDS) {
    assertEquals(inputCorruption({ ...options, kind, ratio: 0 })(text(20), random), text(20));
    const only = Int32Array.of(CLS, SEP, PAD);
    assertEquals(inputCorruption({ ...options, kind, ratio: 1 })(only, random), only);
  }
});

Deno.test("inputCorruption() throws when an option is out of range", () => {
  const make = (more: Partial<CorruptionOptions>) => () =>
    inputCorruption({ ...options, kind: "bert", ...more });
  for (const ratio of [-0.1, 1.1, NaN]) assertThrows(make({ ratio }), RangeError, "ratio");
  assertThrows(make({ vocabSize: 4 }), RangeError, "all 4 ids are special");
  assertThrows(make({ meanSpanLength: 0 }), RangeError, "meanSpanLength");
  const unmasked = { ...options, maskId: undefined };
  assertThrows(() => inputCorruption({ ...unmasked, kind: "span" }), RangeError, "[MASK]");
});
