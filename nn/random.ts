/**
 * Seeded, counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel
 * Random Numbers: As Easy as 1, 2, 3"). A stream is a key; what it yields is a function of the key and
 * a counter alone. So there is no hidden state to save: a run that resumes at step n asks for
 * `stream.at(n)` and gets, bit for bit, what it would have got without the interruption.
 */

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/**
 * One block of Threefry-2x32-20: encrypts a 64-bit counter under a 64-bit key.
 *
 * @returns Two 32-bit words, as unsigned numbers.
 */
export function threefry2x32(
  key0: number,
  key1: number,
  counter0: number,
  counter1: number,
): [number, number] {
  const key2 = 0x1bd11bda ^ key0 ^ key1;
  const keys = [key0, key1, key2];
  let x0 = (counter0 + key0) | 0;
  let x1 = (counter1 + key1) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = ROTATIONS[round & 7]!;
    x0 = (x0 + x1) | 0;
    x1 = ((x1 << rotation) | (x1 >>> (32 - rotation))) ^ x0;
    if ((round & 3) === 3) {
      // Every fourth round another rotation of the key is injected.
      const injection = (round >> 2) + 1;
      x0 = (x0 + keys[injection % 3]!) | 0;
      x1 = (x1 + keys[(injection + 1) % 3]! + injection) | 0;
    }
  }
  return [x0 >>> 0, x1 >>> 0];
}

/** FNV-1a, so that a purpose's name becomes 32 bits of key. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** A stream of random numbers: see {@linkcode randomStream}. */
export class RandomStream {
  readonly #key: readonly [number, number];
  #counter = 0;

  /** @param key 64 bits as two 32-bit words. Use {@linkcode randomStream} to make one from a seed. */
  constructor(key: readonly [number, number]) {
    this.#key = key;
  }

  /** The stream for one purpose within this one, such as "noise" or "weights". */
  stream(purpose: string): RandomStream {
    return new RandomStream(threefry2x32(...this.#key, hashName(purpose), 1));
  }

  /** The stream for one step (or epoch, or sample) within this one. @param index At least 0. */
  at(index: number): RandomStream {
    return new RandomStream(
      threefry2x32(...this.#key, index >>> 0, 2 + Math.floor(index / 2 ** 32)),
    );
  }

  /** The next two 32-bit words. Counters have their top bit set, so they meet no derived key's. */
  #next(): [number, number] {
    const counter = this.#counter++;
    return threefry2x32(...this.#key, counter >>> 0, 0x80000000 + Math.floor(counter / 2 ** 32));
  }

  /** The next number in [0, 1), of 53 random bits. */
  next(): number {
    const [a, b] = this.#next();
    return ((a >>> 5) * 67108864 + (b >>> 6)) / 9007199254740992;
  }

  /** `length` numbers in [low, high). */
  uniform(length: number, low = 0, high = 1): Float32Array {
    const values = new Float32Array(length);
    // Rounding to float32 could give `high` itself: 24 bits are what a float32 in [0, 1) can hold.
    for (let i = 0; i < length; i += 2) {
      const [a, b] = this.#next();
      values[i] = low + (high - low) * ((a >>> 8) / 16777216);
      if (i + 1 < length) values[i + 1] = low + (high - low) * ((b >>> 8) / 16777216);
    }
    return values;
  }

  /** `length` draws from the standard normal distribution, by Box and Muller's transform. */
  normal(length: number): Float32Array {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i += 2) {
      const [a, b] = this.#next();
      const radius = Math.sqrt(-2 * Math.log((a + 1) / 4294967296)); // (0, 1]: log(0) cannot happen
      const angle = 2 * Math.PI * (b / 4294967296);
      values[i] = radius * Math.cos(angle);
      if (i + 1 < length) values[i + 1] = radius * Math.sin(angle);
    }
    return values;
  }

  /** `length` integers in [low, high), each equally likely. */
  integers(length: number, low: number, high: number): Int32Array {
    return Int32Array.from({ length }, () => low + Math.floor(this.next() * (high - low)));
  }

  /** The numbers 0 to `length` - 1 in random order (Fisher and Yates). */
  permutation(length: number): Uint32Array {
    const order = Uint32Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = Math.floor(this.next() * (i + 1));
      const kept = order[i]!;
      order[i] = order[j]!;
      order[j] = kept;
    }
    return order;
  }
}

/**
 * The root stream of a seed. Take one stream a purpose from it, so that, say, drawing more samples
 * does not change the order of the data.
 *
 * @param seed An integer in [0, 2^53).
 */
export function randomStream(seed: number): RandomStream {
  return new RandomStream([seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]);
}
