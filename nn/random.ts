/**
 * Seeded, counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel
 * Random Numbers: As Easy as 1, 2, 3"). A stream has a key, and its numbers depend on the key and a counter
 * only. No state has to be saved: a run that resumes at step n uses `stream.at(n)` and gets the same bits
 * as without the interruption.
 */

const ROTATIONS = Uint8Array.of(13, 15, 26, 6, 17, 29, 16, 24);

/** The output of {@linkcode encrypt}; allocating a pair for each of millions of calls would be slow. */
const words = new Int32Array(2);

/** One block of Threefry-2x32-20, into {@linkcode words}. */
function encrypt(key0: number, key1: number, counter0: number, counter1: number): void {
  const key2 = 0x1bd11bda ^ key0 ^ key1;
  let x0 = (counter0 + key0) | 0;
  let x1 = (counter1 + key1) | 0;
  let [next0, next1, next2] = [key1 | 0, key2, key0 | 0];
  for (let group = 1; group <= 5; group++) {
    // Groups of four rounds use both halves of the rotations alternately.
    for (let i = group & 1 ? 0 : 4, end = i + 4; i < end; i++) {
      const rotation = ROTATIONS[i]!;
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << rotation) | (x1 >>> (32 - rotation))) ^ x0;
    }
    // After every four rounds the next rotation of the key is added.
    x0 = (x0 + next0) | 0;
    x1 = (x1 + next1 + group) | 0;
    const first = next0;
    next0 = next1;
    next1 = next2;
    next2 = first;
  }
  words[0] = x0;
  words[1] = x1;
}

/** One block of Threefry-2x32-20: encrypts a 64-bit counter under a 64-bit key into two unsigned words. */
export function threefry2x32(
  key0: number,
  key1: number,
  counter0: number,
  counter1: number,
): [number, number] {
  encrypt(key0, key1, counter0, counter1);
  return [words[0]! >>> 0, words[1]! >>> 0];
}

/** FNV-1a, which turns a purpose's name into 32 bits of a key. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The largest float32 that is smaller than a number. */
function float32Below(limit: number): number {
  const float = new Float32Array([limit]);
  if (float[0]! < limit) return float[0]!;
  if (limit === 0) return -(2 ** -149);
  new Int32Array(float.buffer)[0]! += limit > 0 ? -1 : 1;
  return float[0]!;
}

/** A stream of random numbers: see {@linkcode randomStream}. */
export class RandomStream {
  readonly #key: readonly [number, number];
  #counter = 0;

  /** The stream of a key of two 32-bit words; {@linkcode randomStream} makes a stream from a seed. */
  constructor(key: readonly [number, number]) {
    this.#key = key;
  }

  /** The stream of one purpose within this stream, such as "noise" or "weights". */
  stream(purpose: string): RandomStream {
    return new RandomStream(threefry2x32(...this.#key, hashName(purpose), 1));
  }

  /** The stream of one step, epoch or sample within this stream. @param index At least 0. */
  at(index: number): RandomStream {
    return new RandomStream(
      threefry2x32(...this.#key, index >>> 0, 2 + Math.floor(index / 2 ** 32)),
    );
  }

  /** Computes the next two words. Their counters have the top bit set, unlike those of derived keys. */
  #draw(): void {
    const counter = this.#counter++;
    encrypt(this.#key[0], this.#key[1], counter, 0x80000000 + Math.floor(counter / 2 ** 32));
  }

  /** The next number in [0, 1), of 53 random bits. */
  next(): number {
    this.#draw();
    return ((words[0]! >>> 5) * 67108864 + (words[1]! >>> 6)) / 9007199254740992;
  }

  /** `length` numbers in [low, high) of 24 random bits, the precision of a float32 in [0, 1). */
  uniform(length: number, low = 0, high = 1): Float32Array {
    const values = new Float32Array(length);
    const largest = float32Below(high);
    // In a narrow range float32 would round the largest numbers up to `high`.
    const within = (bits: number) => Math.min(low + (high - low) * (bits / 16777216), largest);
    for (let i = 0; i < length; i += 2) {
      this.#draw();
      values[i] = within(words[0]! >>> 8);
      if (i + 1 < length) values[i + 1] = within(words[1]! >>> 8);
    }
    return values;
  }

  /** `length` standard normal numbers, by Box and Muller's transform. */
  normal(length: number): Float32Array {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i += 2) {
      this.#draw();
      // In (0, 1], so that log(0) cannot happen.
      const radius = Math.sqrt(-2 * Math.log(((words[0]! >>> 0) + 1) / 4294967296));
      const angle = 2 * Math.PI * ((words[1]! >>> 0) / 4294967296);
      values[i] = radius * Math.cos(angle);
      if (i + 1 < length) values[i + 1] = radius * Math.sin(angle);
    }
    return values;
  }

  /** `length` integers in [low, high), each equally likely. */
  integers(length: number, low: number, high: number): Int32Array {
    return Int32Array.from({ length }, () => low + Math.floor(this.next() * (high - low)));
  }

  /** An index, each with its probability. The probabilities add up to 1, within rounding. */
  index(probabilities: Float64Array): number {
    let rest = this.next();
    const found = probabilities.findIndex((probability) => (rest -= probability) < 0);
    return found >= 0 ? found : probabilities.findLastIndex((probability) => probability > 0);
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
 * The root stream of a seed. Take one stream per purpose from it, so that the number of samples, for
 * example, does not change the order of the data.
 *
 * @param seed An integer in [0, 2^53).
 *
 * @example
 * ```ts
 * import { randomStream } from "@nanodiffusion/nanodiffusion";
 *
 * const noise = randomStream(0).stream("noise");
 * console.assert(noise.at(7).normal(3).join() === noise.at(7).normal(3).join()); // a function of 7
 * ```
 */
export function randomStream(seed: number): RandomStream {
  return new RandomStream([seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]);
}

/**
 * Noise for samples; each sample's noise depends on the stream and the sample's number only.
 *
 * @param numbers The samples' numbers [B].
 * @param size The number of elements of a sample.
 * @returns A function that returns noise [B, size]; its argument is 0 for the initial noise.
 */
export function noiseOf(
  random: RandomStream,
  numbers: readonly number[],
  size: number,
): (draw: number) => Float32Array {
  return (draw) => {
    const noise = new Float32Array(numbers.length * size);
    numbers.forEach((number, i) => noise.set(random.at(number).at(draw).normal(size), i * size));
    return noise;
  };
}
