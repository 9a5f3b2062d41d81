/** A bitmap font for labels on pictures: printable ASCII, proportional, capitals 7 pixels high. */
import type { Picture } from "./picture.ts";

/** The height of a line of text in pixels, at scale 1: 7 above the baseline and 2 below. */
export const FONT_HEIGHT = 9;

/**
 * The glyphs of U+0020 to U+007E, drawn for this project. Two digits in base 32 are a column of
 * pixels; its lowest bit is the top row.
 */
const GLYPHS = `
  000000 2v 030003 0k3v0k3v0k 141a3v1a0i 330j083433 1m292l122g 03 1u21 211u 0k081u080k
  0g0g3s0g0g 4030 0g0g0g 20 201g080601 1u2h29251u 223v20 22312h2926 122129291m 0o0k0i3v0g
  172525251p 1s2a29291g 013h090503 1m2929291m 062929190u 28 4028 080k1221 18181818 21120k08
  02012h0906 1u212t2l2u 3u0909093u 3v2929291m 1u21212112 3v2121211u 3v29292921 3v09090901
  1u2129291q 3v0808083v 213v21 1020211v01 3v080k1221 3v202020 3v020c023v 3v06081g3v 1u2121211u
  3v09090906 1u212h112u 3v090p1926 262929291h 01013v0101 1v2020201v 0v1020100v 3v100o103v
  330k080k33 03043o0403 312h292523 3v21 0106081g20 213v 0402010204 4040404040 0102 102k2k3o
  3v24241o 1o242424 1o24243v 1o2k2k2o 043v05 1oa4a47s 3v04043o 3t 807t 3v0g1824 1v20
  3s043s043o 3s04043o 1o24241o fs24241o 1o2424fs 3s0804 282k2k14 043v24 1s20203s 0s1020100s
  1s201g201s 24180g1824 1sa0a07s 342k2k2c 081m21 fv 211m08 1g080g100o
`.trim().split(/\s+/).map((glyph) => glyph.match(/../g)!.map((column) => parseInt(column, 32)));

/** Accents are dropped, and other characters become "?". */
function glyphsOf(text: string): (readonly number[])[] {
  const characters = Array.from(text.normalize("NFKD").replace(/\p{M}/gu, ""));
  const glyph = (character: string) => GLYPHS[character.codePointAt(0)! - 32];
  return characters.map((character) => glyph(character) ?? glyph("?")!);
}

/** The width of a text in pixels, with one empty column between characters. */
export function textWidth(text: string, scale = 1): number {
  return scale * Math.max(0, glyphsOf(text).reduce((sum, { length }) => sum + length + 1, -1));
}

/** The text, shortened and ended with ".." if it is wider than `width` pixels. */
export function fitText(text: string, width: number, scale = 1): string {
  if (textWidth(text, scale) <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && textWidth(`${characters.join("")}..`, scale) > width) {
    characters.pop();
  }
  return characters.length === 0 ? "" : `${characters.join("").trimEnd()}..`;
}

/**
 * Draws a line of text of {@linkcode FONT_HEIGHT} times `scale` rows into a picture, clipped to the
 * picture.
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
  const columns = glyphsOf(text).flatMap((glyph) => [...glyph, 0]);
  for (let y = Math.max(top, 0); y < Math.min(top + FONT_HEIGHT * scale, height); y++) {
    const bit = 1 << Math.floor((y - top) / scale);
    for (let x = Math.max(left, 0); x < Math.min(left + columns.length * scale, width); x++) {
      if ((columns[Math.floor((x - left) / scale)]! & bit) === 0) continue;
      data.set(color.slice(0, channels), (y * width + x) * channels);
    }
  }
}
