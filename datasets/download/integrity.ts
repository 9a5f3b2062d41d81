/** Checks files against the hashes of their content that they are pinned by. */
import { gunzip, isGzip } from "./gzip.ts";

export interface PinnedFile {
  /** The name, the same in every folder and mirror. */
  readonly name: string;
  /** SHA-256 of the unpacked content, in hexadecimal, since packed bytes depend on the packer. */
  readonly sha256: string;
  /** Bytes of the unpacked content. */
  readonly size: number;
  /** Rows (images, labels, lines) in it. */
  readonly rows: number;
}

export type Fault =
  | "empty"
  | "Git LFS pointer"
  | "HTML page"
  | "XML page"
  | "truncated"
  | "altered";

export type Inspection =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly fault: Fault; readonly detail: string };

export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * The most bytes that a file may have as it is stored or sent: gzip adds at most 5 bytes per 16 KiB and a
 * header, which may contain a name.
 */
export function maxStoredBytes(pin: PinnedFile): number {
  return pin.size + Math.ceil(pin.size / 1024) + 4096;
}

/** The fault of bytes that are a text instead of data, such as an error message. */
export function textInstead(bytes: Uint8Array): { fault: Fault; detail: string } | undefined {
  const head = new TextDecoder().decode(bytes.subarray(0, 512)).trimStart().toLowerCase();
  if (head.startsWith("version https://git-lfs")) {
    return {
      fault: "Git LFS pointer",
      detail: "a Git LFS pointer, which names the data but does not contain them",
    };
  }
  if (head.startsWith("<!doctype html") || head.includes("<html")) {
    return { fault: "HTML page", detail: "an HTML page, as error and log-in pages are" };
  }
  if (head.startsWith("<?xml")) {
    return { fault: "XML page", detail: "an XML page, as a server's error messages are" };
  }
  return undefined;
}

/**
 * Unpacks a file and compares it with its pin. The first bytes tell whether it is packed, since some
 * servers and people unpack the files that they pass on.
 */
export async function inspect(
  stored: Uint8Array<ArrayBuffer>,
  pin: PinnedFile,
): Promise<Inspection> {
  if (stored.length === 0) return { fault: "empty", detail: "empty" };
  let bytes = stored;
  if (isGzip(stored)) {
    const unpacked = gunzip(stored, pin.size);
    if ("fault" in unpacked) {
      const fault = unpacked.fault === "truncated" ? "truncated" : "altered";
      return { fault, detail: `${fault}: ${unpacked.detail}` };
    }
    bytes = unpacked.bytes;
  }
  if (bytes.length === pin.size) {
    const sha256 = await sha256Hex(bytes);
    if (sha256 === pin.sha256) return { bytes };
    const detail = `altered: its content has sha256 ${sha256} instead of ${pin.sha256}`;
    return textInstead(bytes) ?? { fault: "altered", detail };
  }
  const fault = bytes.length < pin.size ? "truncated" : "altered";
  const detail =
    `${fault}: ${bytes.length} bytes unpacked instead of ${pin.size}, or another file of ` +
    "the same name";
  return textInstead(bytes) ?? { fault, detail };
}
