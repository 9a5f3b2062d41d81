/** HTML and SVG elements. Texts are escaped, so that none can become markup. */

/** Markup that is not escaped again. {@linkcode element} makes it. */
export class Markup {
  readonly #text: string;

  /** @param text Markup. It is not escaped, so no part of it may come from data. */
  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** The content of an element: elements and texts. Undefined and false are left out. */
export type Content = Markup | string | number | undefined | false | readonly Content[];

/** Attributes by name. Undefined ones are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Elements without content and end tag. */
const VOID: ReadonlySet<string> = new Set(["meta", "img"]);

/** Elements whose content starts on a new line, which keeps the source readable. */
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
 * Escapes a text for the content of an element or for a quoted attribute. Control characters, which
 * HTML forbids, become U+FFFD.
 */
export function escapeHtml(text: string): string {
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/**
 * An element of HTML or SVG. Attribute values and texts are escaped; the names of the element and of
 * attributes are not, so they must not come from data.
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
