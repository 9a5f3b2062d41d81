/** Readers of a user's own files: pictures, tables, texts, problems, puzzles, image sets. */
import { UserError } from "../../base/errors.ts";
import { formatIdx } from "../../datasets/idx.ts";
import { loadImageFiles, parseCifar, parsePixelCsv } from "../../datasets/image_files.ts";
import { loadImageFolder } from "../../datasets/image_folder.ts";
import { parseOwnProblems } from "../../datasets/own_problems.ts";
import { parseOwnTexts } from "../../datasets/own_texts.ts";
import { parseSudokuCsv } from "../../datasets/sudoku_csv.ts";
import { permitted } from "../permissions.ts";
import { type Files, folderOf, folderSurvives, writeOver } from "./folder_reader.ts";
import { type Dice, mutateBytes, mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const ignore = !permitted({ name: "read" }, { name: "write" }, { name: "sys" });

/** A picture of 24x20 pixels in every format, with what each format has besides: opacity, a palette, frames. */
async function pictures(): Promise<Files> {
  const { default: sharp } = await import("sharp");
  const raw = Uint8Array.from({ length: 24 * 20 * 4 }, (_, i) => (i * 7 + i % 13) % 256);
  const make = () => sharp(raw, { raw: { width: 24, height: 20, channels: 4 } });
  const files = {
    "a.png": make().png(),
    "b.png": make().removeAlpha().png({ palette: true }),
    "c.png": make().toColourspace("rgb16").png(),
    "d.jpg": make().jpeg(),
    "e.jpg": make().withMetadata({ orientation: 6 }).jpeg({ progressive: true }),
    "f.jpg": make().toColourspace("cmyk").jpeg(),
    "g.webp": make().webp(),
    "h.webp": make().webp({ lossless: true }),
    "i.gif": make().gif(),
  };
  const made: Files = {};
  for (const [name, picture] of Object.entries(files)) {
    made[name] = Uint8Array.from(await picture.toBuffer());
  }
  return made;
}

let formats: Promise<Files> | undefined;
const pictureFolder = folderOf(async () => {
  const files = await (formats ??= pictures());
  return { "1.png": files["a.png"]!, "2.png": files["d.jpg"]!, "3.png": encode("to be replaced") };
});

survives<Dice>({
  name: "loadImageFolder()",
  ignore,
  input: (dice) => dice,
  read: async (dice) => {
    const [folder, files] = [await pictureFolder(), await (formats ??= pictures())];
    const name = dice.pick(Object.keys(files));
    writeOver(`${folder}/3.png`, mutateBytes(files[name]!, dice)); // its content decides the format
    const skipped: string[] = [];
    const log = (line: string) => skipped.push(line);
    const set = await loadImageFolder(folder, { size: 8, channels: 3, cacheDir: null, log });
    if (skipped.length > 0) throw new UserError(skipped.join("; "));
    return set;
  },
  names: /3\.png: /,
});

const IDX_FILES: Files = {
  "train-images-idx3-ubyte": formatIdx({
    shape: [20, 4, 5],
    data: Uint8Array.from({ length: 400 }, (_, i) => (i * 31) % 256),
  }),
  "train-labels-idx1-ubyte": formatIdx({
    shape: [20],
    data: Uint8Array.from({ length: 20 }, (_, i) => i % 3),
  }),
};
folderSurvives("loadImageFiles(), IDX", () => Promise.resolve(IDX_FILES), loadImageFiles);

const CIFAR = Uint8Array.from({ length: 3 * 3073 }, (_, i) => i % 3073 === 0 ? 3 : i % 256);
survives({
  name: "parseCifar()",
  input: (dice) => {
    // A length that differs is refused at once: bytes are changed in place at times.
    const changed = mutateBytes(CIFAR, dice);
    return dice.below(4) > 0 ? changed : CIFAR.with(dice.below(4) * 3073 % 9219, dice.below(256));
  },
  read: (bytes) => parseCifar(bytes, "data_batch_1.bin"),
  names: /^data_batch_1\.bin: /,
});

const PIXELS = encode(
  `label,${Array.from({ length: 16 }, (_, i) => `pixel${i}`).join()}\r\n` +
    Array.from({ length: 6 }, (_, row) => `${row},${Array(16).fill(row * 40).join()}\r\n`).join(""),
);
survives({
  name: "parsePixelCsv()",
  input: (dice) => mutateBytes(PIXELS, dice),
  read: (bytes) => parsePixelCsv(bytes, "train.csv"),
  names: /^train\.csv(:\d+)?: /,
});

const ROWS = [
  { text: "What a day!", label: "good" },
  { text: 'Never "again",\nnever.', label: 3 },
  { text: "naïve 你好 😀", label: "bad" },
];
const TEXTS = {
  "a.txt": encode("First paragraph,\nof two lines.\n\nSecond – naïve 你好 😀.\r\n\r\n\r\nThird.\n"),
  "b.csv": encode(
    'text,label\nWhat a day!,good\n"Never ""again"",\nnever.",3\nnaïve 你好 😀,bad\n',
  ),
  "c.jsonl": encode(ROWS.map((row) => JSON.stringify(row)).join("\n")),
};
for (const [name, whole] of Object.entries(TEXTS)) {
  survives({
    name: `parseOwnTexts(), ${name}`,
    input: (dice) => {
      if (!name.endsWith(".jsonl") || dice.below(2) === 0) return mutateBytes(whole, dice);
      const line = new TextDecoder().decode(mutateJson(dice.pick(ROWS), dice));
      return encode(`${JSON.stringify(ROWS[0])}\n${line}\n`);
    },
    read: (bytes) => parseOwnTexts(bytes, name),
    names: new RegExp(`^${name.replace(".", "\\.")}(:\\d+)?: `),
  });
}

const PROBLEMS = [
  { question: "Two and two?", thoughts: ["2+2=4"], answer: 4 },
  { question: "And what is the colour of snow?", thoughts: [], answer: "white" },
];
survives({
  name: "parseOwnProblems()",
  input: (dice) => {
    const whole = encode(PROBLEMS.map((problem) => JSON.stringify(problem)).join("\n"));
    if (dice.below(2) === 0) return mutateBytes(whole, dice);
    const line = new TextDecoder().decode(mutateJson(dice.pick(PROBLEMS), dice));
    return encode(`${JSON.stringify(PROBLEMS[0])}\n${line}\n`);
  },
  read: (bytes) => parseOwnProblems(bytes, "mine.jsonl"),
  names: /^mine\.jsonl(:\d+)?: /,
});

const QUIZ = "530070000600195000098000060800060003400803001700020006060000280000419005000080079";
const SOLUTION =
  "534678912672195348198342567859761423426853791713924856961537284287419635345286179";
const PUZZLES = encode(`quizzes,solutions\n${QUIZ},${SOLUTION}\n${QUIZ},\n`);
survives({
  name: "parseSudokuCsv()",
  input: (dice) => {
    if (dice.below(3) > 0) return mutateBytes(PUZZLES, dice);
    // Digits are taken out or changed: no solution, or many.
    const board = [...QUIZ].map((digit) =>
      dice.below(20) === 0 ? String(dice.below(10)) : dice.below(6) === 0 ? "0" : digit
    );
    return encode(`puzzle\n${board.join("")}\n`);
  },
  read: (bytes) => parseSudokuCsv(new TextDecoder().decode(bytes), "puzzles.csv"),
  names: /^puzzles\.csv/,
});
