/** Texts for the tests of tokenizers. */

/** Reviews written for these tests. */
export const REVIEWS: readonly string[] = [
  "The room was clean and the staff was friendly. We stayed 3 nights in room 1204 for $99.50!",
  "the room was small, the bathroom smaller; breakfast wasn't worth 25 euros, we'd say.",
  "Great location -- 10 minutes to the beach, 200 metres to the metro. They've thought of it all.",
  "the room the room the room was the worst room we've had in 20 years, no hot water in 2019",
  "Friendly staff, friendly prices, friendly cat. We'll be back in 2024 for another 3 nights.",
];

/** Texts that are difficult for tokenizers. */
export const HARD_TEXTS: readonly string[] = [
  "",
  " ",
  "  two spaces before, and after  ",
  "tabs\tand\nlines\r\n\n  indented",
  "it's we're they've I'm you'll he'd CAN'T can'T",
  "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m stra\u00dfe",
  "\u65e5\u672c\u8a9e\u306e\u30db\u30c6\u30eb \ud55c\uad6d \u4e2d\u6587",
  "\ud83d\ude00\ud83d\udc4d\ud83c\udffd family \ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67",
  "next\u0085line bom\ufeff bom \ufeff\ufeff wide\u3000space thin\u2009space nb\u00a0space",
  "\u00bd \u00b2 \u0663\u0664 \u2167 12,345.67 1e-5 0x1F",
  "nul \u0000 bell \u0007 del \u007f soft\u00adhyphen",
  "<|endoftext|> [MASK] [CLS]x[SEP] [mask]",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!!!!!!!!!!!",
  "__proto__ constructor toString",
];
