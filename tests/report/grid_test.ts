import { assert, assertEquals, assertThrows } from "@std/assert";
import { drawText, fitText, FONT_HEIGHT, textWidth } from "../../report/font.ts";
import { drawGrid } from "../../report/grid.ts";
import type { Picture, Pictures } from "../../report/picture.ts";

const ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));

function blank(width: number, height: number): Picture {
  return { width, height, channels: 1, data: new Uint8Array(width * height) };
}

/** A drawn text, as a string of "#" and "." per row. */
function render(text: string, scale = 1): string[] {
  const picture = blank(textWidth(text, scale), FONT_HEIGHT * scale);
  drawText(picture, text, 0, 0, [255], scale);
  return Array.from(
    { length: picture.height },
    (_, y) =>
      Array.from(
        picture.data.subarray(y * picture.width, (y + 1) * picture.width),
        (value) => value === 0 ? "." : "#",
      ).join(""),
  );
}

Deno.test("drawText() draws each printable character of ASCII differently", () => {
  const seen = new Map<string, string>();
  for (const character of ASCII) {
    const shape = render(character).join("\n");
    assertEquals(seen.get(shape), undefined, `${character} looks like ${seen.get(shape)}`);
    seen.set(shape, character);
    assertEquals(shape.includes("#"), character !== " ", character);
    const width = textWidth(character);
    assert(width >= 1 && width <= 5, character);
    assert(character === " " || render(character).some((row) => row.endsWith("#")), character);
  }
});

Deno.test("drawText() draws the expected dots", () => {
  assertEquals(render("Ty"), [
    "#####.....",
    "..#.......",
    "..#...#..#",
    "..#...#..#",
    "..#...#..#",
    "..#...#..#",
    "..#....###",
    ".........#",
    ".......##.",
  ]);
});

Deno.test("drawText() turns pixels into squares when it is scaled", () => {
  const small = render("a%", 1);
  const large = render("a%", 3);
  assertEquals(large.length, 3 * small.length);
  large.forEach((row, y) =>
    assertEquals(row, Array.from(small[Math.floor(y / 3)]!, (dot) => dot.repeat(3)).join(""))
  );
});

Deno.test("drawText() clips the text to the picture", () => {
  const picture = blank(4, 4);
  drawText(picture, "WWW", -3, -3, [9]);
  assert(picture.data.some((value) => value === 9));
  assertEquals(picture.data.length, 16);
});

Deno.test("drawText() drops accents and draws a question mark for other characters", () => {
  assertEquals(render("é"), render("e"));
  assertEquals(render("日"), render("?"));
  assertEquals(textWidth(""), 0);
});

Deno.test("fitText() shortens a text to a width", () => {
  assertEquals(fitText("Coat", 100), "Coat");
  const short = fitText("Ankle boot", 30);
  assert(short.endsWith("..") && textWidth(short) <= 30);
  assertEquals(fitText("Ankle boot", 2), "");
});

/** Random samples. */
function samples(count: number, channels: 1 | 3, width = 3, height = 2): Pictures {
  const data = Uint8Array.from(
    { length: count * width * height * channels },
    (_, i) => (i * 7919 + 13) % 251,
  );
  return { width, height, channels, data };
}

/** The left and top of an enlarged sample in a picture, or undefined. */
function find(
  picture: Picture,
  from: Pictures,
  index: number,
  scale: number,
): number[] | undefined {
  const { width, height, channels, data } = from;
  const color = (x: number, y: number, c: number) =>
    data[((index * height + y) * width + x) * channels + (channels === 1 ? 0 : c)]!;
  for (let top = 0; top + height * scale <= picture.height; top++) {
    for (let left = 0; left + width * scale <= picture.width; left++) {
      let same = true;
      for (let y = 0; y < height * scale && same; y++) {
        for (let x = 0; x < width * scale && same; x++) {
          for (let c = 0; c < 3 && same; c++) {
            same = picture.data[((top + y) * picture.width + left + x) * 3 + c] ===
              color(Math.floor(x / scale), Math.floor(y / scale), c);
          }
        }
      }
      if (same) return [left, top];
    }
  }
  return undefined;
}

for (const channels of [1, 3] as const) {
  Deno.test(`drawGrid() shows every sample enlarged, in rows and columns, ${channels} channels`, () => {
    const given = samples(5, channels);
    const picture = drawGrid(given, { columns: 2, scale: 3 });
    assertEquals(picture.data.length, picture.width * picture.height * 3);
    const places = [0, 1, 2, 3, 4].map((i) => find(picture, given, i, 3)!);
    const [stepX, stepY] = [places[1]![0]! - places[0]![0]!, places[2]![1]! - places[0]![1]!];
    assert(stepX > 9 && stepY > 6);
    places.forEach(([left, top], i) =>
      assertEquals([left, top], [
        places[0]![0]! + (i % 2) * stepX,
        places[0]![1]! + Math.floor(i / 2) * stepY,
      ])
    );
  });
}

Deno.test("drawGrid() makes room for title, row, column and sample labels", () => {
  const given = samples(4, 1, 28, 28);
  const plain = drawGrid(given);
  const rowLabels = ["Trouser", "Bag"];
  const labelled = drawGrid(given, {
    rowLabels,
    columnLabels: ["a", "b"],
    labels: ["1", "2", "3", "4"],
    title: "A title",
  });
  assert(labelled.width >= plain.width + textWidth("Trouser", 2));
  assert(labelled.height >= plain.height + 4 * FONT_HEIGHT);
  for (let i = 0; i < 4; i++) assert(find(labelled, given, i, 2) !== undefined, `sample ${i}`);
  const wide = drawGrid(given, { title: "A title that is much wider than four small samples" });
  assert(wide.width > plain.width);
});

Deno.test("drawGrid() draws light text on a dark background when the theme is dark", () => {
  const given = samples(1, 1, 28, 28);
  const corner = (theme: "light" | "dark") => drawGrid(given, { theme }).data[0]!;
  assert(corner("light") === 255 && corner("dark") < 32);
});

Deno.test("drawGrid() throws when there is nothing to draw or a size is not a positive integer", () => {
  assertThrows(() => drawGrid(samples(0, 1)), RangeError, "no samples");
  assertThrows(() => drawGrid(samples(2, 1), { columns: 0 }), RangeError, "columns");
  assertThrows(() => drawGrid(samples(2, 1), { scale: 1.5 }), RangeError, "scale");
  const broken = { ...samples(2, 1), data: new Uint8Array(7) };
  assertThrows(() => drawGrid(broken), RangeError, "7 bytes");
});
