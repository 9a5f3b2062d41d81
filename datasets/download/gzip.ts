/** gzip with a bound on what is unpacked, and packing that gives the same bytes at any time. */
import { gunzipSync, gzipSync } from "node:zlib";

/** What {@linkcode gunzip} gives: the bytes, or what is wrong with the packed ones. */
export type Gunzipped =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly fault: "truncated" | "oversized" | "damaged"; readonly detail: string };

/** Whether the bytes begin as gzip data do (RFC 1952, section 2.3.1). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function plain(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Unpacks gzip data, checking their checksum, and stops at `maxBytes`: a few kilobytes that would
 * unpack to gigabytes cost no more memory than honest data.
 *
 * @param packed The gzip data.
 * @param maxBytes The most bytes that may come out.
 */
export function gunzip(packed: Uint8Array<ArrayBuffer>, maxBytes: number): Gunzipped {
  try {
    return { bytes: plain(gunzipSync(packed, { maxOutputLength: Math.max(1, maxBytes) })) };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === "ERR_BUFFER_TOO_LARGE") {
      return { fault: "oversized", detail: `unpacks to more than ${maxBytes} bytes` };
    }
    if (code === "Z_BUF_ERROR") {
      return { fault: "truncated", detail: `the gzip data end early, at byte ${packed.length}` };
    }
    if (code?.startsWith("Z_") === true) {
      return { fault: "damaged", detail: `the gzip data are damaged (${message})` };
    }
    throw error;
  }
}

/** Packs bytes as gzip without a time, a name or an operating system in the header. */
export function gzip(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const packed = plain(gzipSync(bytes, { level: 9 }));
  packed.fill(0, 4, 8); // MTIME: not known
  packed[9] = 255; // OS: not known
  return packed;
}
