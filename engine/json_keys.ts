/** A check that JSON.parse does not make. */

/**
 * The first key that occurs twice in one object of a JSON text, of which JSON.parse would silently
 * keep the last. Two readers of such a file can disagree about what it says.
 *
 * @param text JSON that JSON.parse accepts.
 * @returns The key, or undefined where every object's keys differ.
 */
export function repeatedKey(text: string): string | undefined {
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
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
