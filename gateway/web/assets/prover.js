/**
 * The worker that solves a proof of work: a nonce for which SHA-256 of `challenge:nonce` begins with so many zero bits.
 *
 * Hears one `{challenge, bits}`; says `{tried}` now and then and at last `{nonce}`. It is ended from outside. Written out
 * in full because one call of Web Crypto for each try costs ten times the hash, and in one file because the policy of the
 * page allows a worker to load nothing.
 *
 * The blocks in front of the nonce are the same for every try and are hashed once.
 */

const BLOCK_BYTES = 64;
/** Behind the text of a message: one marking byte and eight for its length. */
const TRAILER_BYTES = 9;
/** Tries between two reports: some tenths of a second on a phone. */
const REPORT_TRIES = 50_000;

const ROUNDS = new Uint32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
const START = new Uint32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

const schedule = new Uint32Array(BLOCK_BYTES);
const turned = (/** @type {number} */ word, /** @type {number} */ bits) => (word >>> bits) | (word << (32 - bits));

/** Fills the schedule from a block (FIPS 180-4, 6.2.2, step 1). @param {Uint8Array} bytes @param {number} offset */
function expand(bytes, offset) {
  for (let t = 0; t < 16; t += 1) {
    const at = offset + 4 * t;
    schedule[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let t = 16; t < BLOCK_BYTES; t += 1) {
    const [far, near] = [schedule[t - 15], schedule[t - 2]];
    const first = turned(far, 7) ^ turned(far, 18) ^ (far >>> 3);
    const second = turned(near, 17) ^ turned(near, 19) ^ (near >>> 10);
    schedule[t] = schedule[t - 16] + first + schedule[t - 7] + second;
  }
}

/** Hashes a block into the state (6.2.2, steps 2 to 4). @param {Uint32Array} state @param {Uint8Array} bytes @param {number} offset */
function compress(state, bytes, offset) {
  expand(bytes, offset);
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < BLOCK_BYTES; t += 1) {
    const sums = (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g));
    const one = (h + sums + ROUNDS[t] + schedule[t]) | 0;
    const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => { state[index] += word; });
}

/** How many bits are zero before the first that is not. @param {Uint32Array} state */
function leadingZeroBits(state) {
  let bits = 0;
  for (const word of state) {
    bits += Math.clz32(word);
    if (word !== 0) break;
  }
  return bits;
}

/** Tries nonces for one challenge. */
export class Search {
  #middle = START.slice();
  #tail;
  #rest;
  #state = START.slice();
  #textBytes;

  /** @param {string} challenge */
  constructor(challenge) {
    const text = new TextEncoder().encode(`${challenge}:`);
    const whole = text.length - (text.length % BLOCK_BYTES);
    for (let at = 0; at < whole; at += BLOCK_BYTES) compress(this.#middle, text, at);
    this.#tail = new Uint8Array(2 * BLOCK_BYTES);
    this.#tail.set(text.subarray(whole));
    this.#rest = text.length - whole;
    this.#textBytes = text.length;
  }

  /** How many zero bits a nonce gives. @param {string} nonce decimal digits */
  bitsOf(nonce) {
    const end = this.#rest + nonce.length;
    const blocksBytes = end + TRAILER_BYTES > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES;
    this.#tail.fill(0, this.#rest);
    for (let index = 0; index < nonce.length; index += 1) this.#tail[this.#rest + index] = nonce.charCodeAt(index);
    this.#tail[end] = 0x80;
    new DataView(this.#tail.buffer).setUint32(blocksBytes - 4, 8 * (this.#textBytes + nonce.length));
    this.#state.set(this.#middle);
    for (let at = 0; at < blocksBytes; at += BLOCK_BYTES) compress(this.#state, this.#tail, at);
    return leadingZeroBits(this.#state);
  }
}

/**
 * Solves a challenge.
 * @param {string} challenge @param {number} bits @param {(tried: number) => void} report
 */
export function solved(challenge, bits, report) {
  const search = new Search(challenge);
  for (let tried = 0; ; tried += 1) {
    if (search.bitsOf(String(tried)) >= bits) return String(tried);
    if (tried % REPORT_TRIES === 0) report(tried);
  }
}

if ('WorkerGlobalScope' in globalThis) {
  addEventListener('message', ({ data: { challenge, bits } }) => {
    // @ts-ignore: this is the worker's postMessage, which needs no target
    const say = (/** @type {any} */ what) => postMessage(what);
    say({ nonce: solved(challenge, bits, (tried) => say({ tried })) });
  });
}
