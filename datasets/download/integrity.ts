/** Whether a file is the file that was meant: files are pinned by the hash of their content. */
import { gunzip, isGzip } from "./gzip.ts";

/** A file whose content is known beforehand. */
export interface PinnedFile {
  /** The name, which is the same in every folder and mirror. */
  readonly name: string;
  /** SHA-256 of the unpacked content, in hexadecimal: packers differ, what they pack does not. */
  readonly sha256: string;
  /** Bytes of the unpacked content. */
  readonly size: number;
  /** Rows (images, labels, lines) in it. */
  readonly rows: number;
}

/** What can be wrong with a file. */
export type Fault =
  | "empty"
  | "Git LFS pointer"
  | "HTML page"
  | "XML page"
  | "truncated"
  | "altered";

/** What {@linkcode inspect} finds: the unpacked content, or a fault and one clause about it. */
export type Inspection =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly fault: Fault; readonly detail: string };

/** SHA-256 in hexadecimal. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * The most bytes that a file may have as it is stored or sent: gzip makes nothing longer by more than
 * 5 bytes in 16 KiB and its header, which may hold a name.
 */
export function maxStoredBytes(pin: PinnedFile): number {
  return pin.size + Math.ceil(pin.size / 1024) + 4096;
}

/** The usual impostors, which have a text's beginning where data should be. */
function impostor(bytes: Uint8Array): Inspection | undefined {
  const head = new TextDecoder().decode(bytes.subarray(0, 512)).trimStart().toLowerCase();
  if (head.startsWith("version https://git-lfs")) {
    return {
      fault: "Git LFS pointer",
      detail: "a Git LFS pointer, which names the data but does not hold them",
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
 * Unpacks a file and compares it with its pin. Packed and unpacked files are told apart by their
 * first bytes, since some servers and people unpack what they pass on.
 *
 * @param stored The file as it is stored or was sent.
 * @param pin What it should be.
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
    return impostor(bytes) ?? { fault: "altered", detail };
  }
  const fault = bytes.length < pin.size ? "truncated" : "altered";
  const detail = `${fault}: ${bytes.length} bytes unpacked instead of ${pin.size}`;
  return impostor(bytes) ?? { fault, detail };
}
