/** Shows values from files in messages. */

/** Control characters, and marks that change the direction of writing. */
const INVISIBLE = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/**
 * Makes an untrusted text safe for one line of a terminal. Control characters, which could move the cursor or
 * change colours, and marks that change the direction of writing become escape sequences such as \u001b.
 */
export function printable(text: string): string {
  return text.replace(
    INVISIBLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * A value from a file or a flag as JSON, {@linkcode printable} and truncated to `limit` characters. A value
 * that JSON cannot express, such as undefined, becomes `not set`.
 */
export function quote(value: unknown, limit = 80): string {
  const cut = (text: string) => text.length > limit ? `${text.slice(0, limit)}...` : text;
  const text = typeof value === "string" ? JSON.stringify(cut(value)) : cut(jsonOf(value));
  return printable(text);
}

/** JSON of a value. A value from an untrusted file can be nested too deeply for JSON.stringify. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "not set";
  } catch (error) {
    if (error instanceof RangeError) return "nested too deeply to be shown";
    throw error;
  }
}
