/**
 * A bitmap font for labels on pictures, drawn for this project: the 95 printable characters of ASCII,
 * proportional, capitals 7 pixels high, with 2 more below the baseline.
 */
import type { Picture } from "./picture.ts";

/** The height of a line of text, in pixels at scale 1: 7 above the baseline and 2 below. */
export const FONT_HEIGHT = 9;

/** Each character's rows from the top, "#" for ink. Rows that are left out are empty. */
const GLYPHS: Readonly<Record<string, string>> = {
  " ": "...",
  "!": "#/#/#/#/#//#",
  '"': "#.#/#.#",
  "#": ".#.#./.#.#./#####/.#.#./#####/.#.#./.#.#.",
  "$": "..#../.####/#.#../.###./..#.#/####./..#..",
  "%": "##..#/##..#/...#./..#../.#.../#..##/#..##",
  "&": ".##../#..#./#.#../.#.../#.#.#/#..#./.##.#",
  "'": "#/#",
  "(": ".#/#./#./#./#./#./.#",
  ")": "#./.#/.#/.#/.#/.#/#.",
  "*": "/..#../#.#.#/.###./#.#.#/..#..",
  "+": "//..#../..#../#####/..#../..#..",
  ",": "/////.#/.#/#.",
  "-": "////###",
  ".": "//////#",
  "/": "....#/...#./...#./..#../.#.../.#.../#....",
  "0": ".###./#...#/#..##/#.#.#/##..#/#...#/.###.",
  "1": ".#./##./.#./.#./.#./.#./###",
  "2": ".###./#...#/....#/...#./..#../.#.../#####",
  "3": ".###./#...#/....#/..##./....#/#...#/.###.",
  "4": "...#./..##./.#.#./#..#./#####/...#./...#.",
  "5": "#####/#..../####./....#/....#/#...#/.###.",
  "6": "..##./.#.../#..../####./#...#/#...#/.###.",
  "7": "#####/....#/...#./..#../.#.../.#.../.#...",
  "8": ".###./#...#/#...#/.###./#...#/#...#/.###.",
  "9": ".###./#...#/#...#/.####/....#/...#./.##..",
  ":": "///#///#",
  ";": "///.#///.#/#.",
  "<": "...#/..#./.#../#.../.#../..#./...#",
  "=": "///####//####",
  ">": "#.../.#../..#./...#/..#./.#../#...",
  "?": ".###./#...#/....#/...#./..#..//..#..",
  "@": ".###./#...#/#.###/#.#.#/#.###/#..../.####",
  "A": ".###./#...#/#...#/#####/#...#/#...#/#...#",
  "B": "####./#...#/#...#/####./#...#/#...#/####.",
  "C": ".###./#...#/#..../#..../#..../#...#/.###.",
  "D": "####./#...#/#...#/#...#/#...#/#...#/####.",
  "E": "#####/#..../#..../####./#..../#..../#####",
  "F": "#####/#..../#..../####./#..../#..../#....",
  "G": ".###./#...#/#..../#.###/#...#/#...#/.###.",
  "H": "#...#/#...#/#...#/#####/#...#/#...#/#...#",
  "I": "###/.#./.#./.#./.#./.#./###",
  "J": "..###/...#./...#./...#./...#./#..#./.##..",
  "K": "#...#/#..#./#.#../##.../#.#../#..#./#...#",
  "L": "#.../#.../#.../#.../#.../#.../####",
  "M": "#...#/##.##/#.#.#/#.#.#/#...#/#...#/#...#",
  "N": "#...#/##..#/##..#/#.#.#/#..##/#..##/#...#",
  "O": ".###./#...#/#...#/#...#/#...#/#...#/.###.",
  "P": "####./#...#/#...#/####./#..../#..../#....",
  "Q": ".###./#...#/#...#/#...#/#.#.#/#..#./.##.#",
  "R": "####./#...#/#...#/####./#.#../#..#./#...#",
  "S": ".####/#..../#..../.###./....#/....#/####.",
  "T": "#####/..#../..#../..#../..#../..#../..#..",
  "U": "#...#/#...#/#...#/#...#/#...#/#...#/.###.",
  "V": "#...#/#...#/#...#/#...#/#...#/.#.#./..#..",
  "W": "#...#/#...#/#...#/#.#.#/#.#.#/##.##/#...#",
  "X": "#...#/#...#/.#.#./..#../.#.#./#...#/#...#",
  "Y": "#...#/#...#/.#.#./..#../..#../..#../..#..",
  "Z": "#####/....#/...#./..#../.#.../#..../#####",
  "[": "##/#./#./#./#./#./##",
  "\\": "#..../.#.../.#.../..#../...#./...#./....#",
  "]": "##/.#/.#/.#/.#/.#/##",
  "^": "..#../.#.#./#...#",
  "_": "///////#####",
  "`": "#./.#",
  "a": "//.##./...#/.###/#..#/.###",
  "b": "#.../#.../###./#..#/#..#/#..#/###.",
  "c": "//.###/#.../#.../#.../.###",
  "d": "...#/...#/.###/#..#/#..#/#..#/.###",
  "e": "//.##./#..#/####/#.../.###",
  "f": ".##/.#./###/.#./.#./.#./.#.",
  "g": "//.###/#..#/#..#/#..#/.###/...#/.##.",
  "h": "#.../#.../###./#..#/#..#/#..#/#..#",
  "i": "#//#/#/#/#/#",
  "j": ".#//.#/.#/.#/.#/.#/.#/#.",
  "k": "#.../#.../#..#/#.#./##../#.#./#..#",
  "l": "#./#./#./#./#./#./.#",
  "m": "//####./#.#.#/#.#.#/#.#.#/#.#.#",
  "n": "//###./#..#/#..#/#..#/#..#",
  "o": "//.##./#..#/#..#/#..#/.##.",
  "p": "//###./#..#/#..#/#..#/###./#.../#...",
  "q": "//.###/#..#/#..#/#..#/.###/...#/...#",
  "r": "//#.#/##./#../#../#..",
  "s": "//.###/#.../.##./...#/###.",
  "t": ".#./.#./###/.#./.#./.#./.##",
  "u": "//#..#/#..#/#..#/#..#/.###",
  "v": "//#...#/#...#/#...#/.#.#./..#..",
  "w": "//#...#/#...#/#.#.#/#.#.#/.#.#.",
  "x": "//#...#/.#.#./..#../.#.#./#...#",
  "y": "//#..#/#..#/#..#/#..#/.###/...#/.##.",
  "z": "//####/...#/.##./#.../####",
  "{": "..#/.#./.#./#../.#./.#./..#",
  "|": "#/#/#/#/#/#/#/#/#",
  "}": "#../.#./.#./..#/.#./.#./#..",
  "~": "///.#..#/#.#.#/#..#.",
};

/** The rows of each character of a text; accents are dropped, what has no glyph becomes "?". */
function glyphs(text: string): string[][] {
  return Array.from(text.normalize("NFKD").replace(/\p{M}/gu, ""), (character) => {
    const rows = Object.hasOwn(GLYPHS, character) ? GLYPHS[character]! : GLYPHS["?"]!;
    return rows.split("/");
  });
}

function glyphWidth(rows: readonly string[]): number {
  return Math.max(...rows.map((row) => row.length));
}

/** The width of a text in pixels, with one empty column between characters. */
export function textWidth(text: string, scale = 1): number {
  const widths = glyphs(text).map(glyphWidth);
  return scale * Math.max(0, widths.reduce((sum, width) => sum + width + 1, -1));
}

/** The text, or as much of its beginning as fits a width with ".." behind it. */
export function fitText(text: string, width: number, scale = 1): string {
  if (textWidth(text, scale) <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && textWidth(`${characters.join("")}..`, scale) > width) {
    characters.pop();
  }
  return characters.length === 0 ? "" : `${characters.join("").trimEnd()}..`;
}

/**
 * Draws a line of text into a picture; what lies outside of it is cut off.
 *
 * @param left The first column of the text.
 * @param top The first of its {@linkcode FONT_HEIGHT} rows.
 * @param color As many numbers from 0 to 255 as the picture has channels.
 * @param scale Pixels a dot.
 */
export function drawText(
  picture: Picture,
  text: string,
  left: number,
  top: number,
  color: readonly number[],
  scale = 1,
): void {
  const { width, height, channels, data } = picture;
  for (const rows of glyphs(text)) {
    for (let y = 0; y < FONT_HEIGHT * scale; y++) {
      const row = rows[Math.floor(y / scale)] ?? "";
      for (let x = 0; x < row.length * scale; x++) {
        const [column, line] = [left + x, top + y];
        if (row[Math.floor(x / scale)] !== "#") continue;
        if (column < 0 || column >= width || line < 0 || line >= height) continue;
        data.set(color.slice(0, channels), (line * width + column) * channels);
      }
    }
    left += (glyphWidth(rows) + 1) * scale;
  }
}
