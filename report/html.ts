/** HTML and SVG in which no text from data can become markup. */

/** Markup that is safe to put into a page as it is. Only {@linkcode html} makes it. */
export class Markup {
  readonly #text: string;

  /** @param text Markup; texts from data must have been escaped. Use {@linkcode html} instead. */
  constructor(text: string) {
    this.#text = text;
  }

  /** The markup. */
  toString(): string {
    return this.#text;
  }
}

/** What {@linkcode html} takes between its parts. Nothing is written for undefined and false. */
export type Content = Markup | string | number | undefined | false | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * A text as it must stand in HTML, in an element or a quoted attribute. Control characters, which no
 * page may hold, become the mark for an unknown character.
 */
export function escapeHtml(text: string): string {
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/**
 * A template tag for HTML and SVG: what stands between `${` and `}` is escaped, unless it is markup
 * made by this tag. Attributes must be in double quotes.
 *
 * @example
 * ```ts
 * html`<p>${"<script>"}</p>`.toString(); // "<p>&lt;script&gt;</p>"
 * ```
 */
export function html(parts: TemplateStringsArray, ...contents: Content[]): Markup {
  return new Markup(
    parts.map((part, i) => part + (i < contents.length ? write(contents[i]) : "")).join(""),
  );
}

function write(content: Content): string {
  if (content === undefined || content === false) return "";
  if (content instanceof Markup) return content.toString();
  if (typeof content === "object") return content.map(write).join("");
  return escapeHtml(String(content));
}
