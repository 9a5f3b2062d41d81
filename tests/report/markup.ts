import { AssertionError } from "@std/assert";

/** An element of a page or a drawing. */
export interface Element {
  readonly name: string;
  readonly attributes: Map<string, string>;
  /** The text in it and in its children. */
  text: string;
}

const VOID = ["meta", "img", "br"];

/**
 * A strict reader of HTML and SVG as reports use it, independent of the code that writes them:
 * every element is closed in order, attributes stand in double quotes, and no "<" or stray "&" is
 * in a text.
 *
 * @returns The elements in the order in which they are opened.
 */
export function parseMarkup(source: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  let rest = source.replace(/^<!DOCTYPE html>\n/, "");
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const match = pattern.exec(rest);
    if (match !== null) rest = rest.slice(match[0].length);
    return match;
  };
  while (rest !== "") {
    let match: RegExpExecArray | null;
    if ((match = take(/^[^<]+/)) !== null) {
      const text = unescape(match[0]);
      for (const element of open) element.text += text;
    } else if ((match = take(/^<\/([a-z0-9]+)>/i)) !== null) {
      const element = open.pop();
      if (element?.name !== match[1]) {
        throw new AssertionError(`</${match[1]}> closes <${element?.name}>`);
      }
    } else if ((match = take(/^<([a-z][a-z0-9]*)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/i)) !== null) {
      const pairs = [...match[2]!.matchAll(/([\w-]+)="([^"]*)"/g)];
      const attributes = new Map(pairs.map(([, key, value]) => [key!, unescape(value!)]));
      if (attributes.size !== pairs.length) throw new AssertionError(`twice in ${match[0]}`);
      const element = { name: match[1]!, attributes, text: "" };
      elements.push(element);
      if (match[3] === "" && !VOID.includes(element.name)) open.push(element);
    } else {
      throw new AssertionError(`not markup: ${JSON.stringify(rest.slice(0, 80))}`);
    }
  }
  if (open.length > 0) throw new AssertionError(`<${open.at(-1)!.name}> is not closed`);
  return elements;
}

const CHARACTERS: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

function unescape(text: string): string {
  return text.replace(/&([^;]*;)?/g, (entity, name: string | undefined) => {
    const character = CHARACTERS[name?.slice(0, -1) ?? ""];
    if (character === undefined) throw new AssertionError(`stray ${entity.slice(0, 20)}`);
    return character;
  });
}
