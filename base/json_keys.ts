/** Checks that JSON.parse does not make. */
import { quote } from "./quote.ts";

/** Levels of lists and objects in each other; what goes through a value must not run out of stack. */
const MOST_LEVELS = 200;

/**
 * What is wrong with a JSON text that JSON.parse accepts: a key that occurs twice in one object, of which
 * it would silently keep the last, so that two readers of a file can disagree about what it says; the key
 * `__proto__`; more than 200 levels; and a number that a float64 cannot hold, which becomes infinite.
 *
 * @param text JSON that JSON.parse accepts.
 * @param options `anyKey`: whether keys are names of a stranger's, `__proto__` among them. @default false
 * @returns A clause, "has the key ... twice", or undefined where all is well.
 */
export function jsonProblem(text: string, { anyKey = false } = {}): string | undefined {
  const objects: (Set<string> | undefined)[] = []; // undefined stands for an array
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "{") objects.push(new Set());
    else if (character === "[") objects.push(undefined);
    else if (character === "}" || character === "]") objects.pop();
    else if (character === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
      const keys = objects.at(-1);
      let next = i + 1;
      while (text[next]! <= " ") next++; // all that JSON counts as white space, and no other character
      if (keys === undefined || text[next] !== ":") continue;
      const key: string = JSON.parse(text.slice(start, i + 1));
      if (key === "__proto__" && !anyKey) {
        return `has the key "__proto__", which has no meaning here`;
      }
      if (keys.has(key)) return `has the key ${quote(key)} twice`;
      keys.add(key);
    } else if (character! >= "0" && character! <= "9") {
      const start = i;
      while (/[\d.eE+-]/.test(text[i + 1] ?? "")) i++;
      if (i - start > 2 && !Number.isFinite(Number(text.slice(start, i + 1)))) {
        return `has a number that is too large, ${quote(text.slice(start, i + 1))}`;
      }
    }
    if (objects.length > MOST_LEVELS) return `is nested more than ${MOST_LEVELS} levels deep`;
  }
  return undefined;
}
