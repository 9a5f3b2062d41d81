/** Unpacks gzip data up to a bound, and packs data reproducibly. */
import { gunzipSync, gzipSync } from "node:zlib";

export type Gunzipped =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly fault: "truncated" | "oversized" | "damaged"; readonly detail: string };

/** Whether the bytes begin with the identification of gzip data (RFC 1952, section 2.3.1). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function plain(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Unpacks gzip data and verifies their checksum. It stops at `maxBytes`, so that a few kilobytes that
 * would unpack to gigabytes take no more memory than valid data.
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
  packed.fill(0, 4, 8); // MTIME: unknown
  packed[9] = 255; // OS: unknown
  return packed;
}
