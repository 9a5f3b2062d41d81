/** Values from files, shown in messages. */

/** Control characters, and marks that turn the direction of writing. */
const UNSEEN = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/**
 * A text from anywhere, fit for one line of a terminal: control characters (which could move the cursor
 * or change colours) and marks that turn the direction of writing are spelled out.
 */
export function printable(text: string): string {
  return text.replace(
    UNSEEN,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * A value from a file or a flag as JSON, fit for one line of a terminal as {@linkcode printable} has it,
 * and cut where it is very long.
 *
 * @param value The value to show: most often a string, which gets double quotes.
 * What JSON has no word for, such as undefined, is shown as `not set`.
 * @param limit Characters to keep at most.
 */
export function quote(value: unknown, limit = 80): string {
  const cut = (text: string) => text.length > limit ? `${text.slice(0, limit)}...` : text;
  const text = typeof value === "string" ? JSON.stringify(cut(value)) : cut(jsonOf(value));
  return printable(text);
}

/** JSON of a value; a stranger's can be nested deeper than JSON.stringify can follow. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "not set";
  } catch (error) {
    if (error instanceof RangeError) return "nested too deeply to be shown";
    throw error;
  }
}
