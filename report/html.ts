/** HTML and SVG in which no text from data can become markup. */

/** Markup that goes into a page as it is. {@linkcode element} makes it of texts that it escapes. */
export class Markup {
  readonly #text: string;

  /** Takes markup as it is. @param text Nothing of it may come from data: it is not escaped. */
  constructor(text: string) {
    this.#text = text;
  }

  /** The markup. */
  toString(): string {
    return this.#text;
  }
}

/** What an element holds: texts, which are escaped, and elements. Undefined and false are nothing. */
export type Content = Markup | string | number | undefined | false | readonly Content[];

/** Attributes by name. Those that are undefined are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Elements that have no content and no end. */
const VOID: ReadonlySet<string> = new Set(["meta", "img"]);

/** Elements whose content starts on a line of its own, so that a page can be read as text. */
const BLOCK: ReadonlySet<string> = new Set(
  ["html", "head", "body", "main", "header", "section", "dl", "ol", "figure", "tbody", "svg"],
);

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
 * An element of HTML or SVG.
 *
 * @param name Its name; like the attributes' names it must not come from data.
 * @param attributes Its attributes; their values are escaped.
 * @param content What it holds; texts are escaped.
 *
 * @example
 * ```ts
 * element("p", { class: "quiet" }, "a < b").toString(); // '<p class="quiet">a &lt; b</p>\n'
 * ```
 */
export function element(name: string, attributes: Attributes, ...content: Content[]): Markup {
  const pairs = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeHtml(String(value))}"`);
  const start = `<${name}${pairs.join("")}>${BLOCK.has(name) ? "\n" : ""}`;
  const end = VOID.has(name) ? "\n" : `${write(content)}</${name}>\n`;
  return new Markup(start + end);
}

function write(content: Content): string {
  if (content === undefined || content === false) return "";
  if (content instanceof Markup) return content.toString();
  if (typeof content === "object") return content.map(write).join("");
  return escapeHtml(String(content));
}
