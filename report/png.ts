/** PNG files. */
import { encode } from "fast-png";
import { countPictures, type Picture } from "./picture.ts";

/**
 * The bytes of a PNG file. Equal pictures give equal bytes.
 *
 * @throws {RangeError} If the length of the data does not fit the size.
 *
 * @example
 * ```ts
 * import { encodePng } from "@nanodiffusion/nanodiffusion";
 *
 * const data = Uint8Array.of(0, 255, 255, 0);
 * const file = encodePng({ width: 2, height: 2, channels: 1, data }); // for Deno.writeFile()
 * console.assert(file[1] === "P".charCodeAt(0));
 * ```
 */
export function encodePng(picture: Picture): Uint8Array<ArrayBuffer> {
  if (countPictures(picture) !== 1) throw new RangeError("a PNG file contains one picture");
  const { width, height, channels, data } = picture;
  return new Uint8Array(
    encode({ width, height, channels, data, depth: 8 }, { zlib: { level: 9 } }),
  );
}
