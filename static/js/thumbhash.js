/**
 * A small blurred picture, decoded from its hash.
 * @typedef {object} Thumb
 * @property {number} width
 * @property {number} height
 * @property {boolean} hasAlpha
 * @property {Uint8ClampedArray<ArrayBuffer>} pixels RGBA
 */

/**
 * Decodes a ThumbHash: a few cosines per channel (luminance, two of colour, maybe alpha) of a
 * picture shrunk to at most 32 pixels a side. The format is described at evanw.github.io/thumbhash.
 * @param {string} base64
 * @returns {Thumb | null} null when it is not one
 */
export function decodeThumbHash(base64) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
  if (bytes.length < 5) return null;
  const header = readHeader(bytes);
  const { hasAlpha, columns, rows } = header;
  const nibbles = nibbleReader(bytes, hasAlpha ? 6 : 5);
  const l = channel(columns, rows, header.lScale, nibbles);
  // Colour is stored a quarter stronger than it is, to use the nibble's range.
  const p = channel(3, 3, header.pScale * 1.25, nibbles);
  const q = channel(3, 3, header.qScale * 1.25, nibbles);
  const a = hasAlpha ? channel(5, 5, header.aScale, nibbles) : null;

  const ratio = aspectRatio(header);
  const width = Math.round(ratio > 1 ? 32 : 32 * ratio);
  const height = Math.round(ratio > 1 ? 32 / ratio : 32);
  const cosX = cosines(width);
  const cosY = cosines(height);
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) {
      const light = header.lDc + sum(l, cosX, x, cosY, y);
      const blueYellow = header.pDc + sum(p, cosX, x, cosY, y);
      const redGreen = header.qDc + sum(q, cosX, x, cosY, y);
      const blue = light - (2 / 3) * blueYellow;
      const red = (3 * light - blue + redGreen) / 2;
      pixels[at] = red * 255;
      pixels[at + 1] = (red - redGreen) * 255;
      pixels[at + 2] = blue * 255;
      pixels[at + 3] = (a ? header.aDc + sum(a, cosX, x, cosY, y) : 1) * 255;
    }
  }
  return { width, height, hasAlpha, pixels };
}

/** @param {Uint8Array} bytes */
function readHeader(bytes) {
  const at = (/** @type {number} */ index) => bytes[index] ?? 0;
  const first = at(0) | (at(1) << 8) | (at(2) << 16);
  const second = at(3) | (at(4) << 8);
  const hasAlpha = first >> 23 === 1;
  const isLandscape = second >> 15 === 1;
  const long = hasAlpha ? 5 : 7;
  const short = second & 7;
  return {
    hasAlpha,
    lDc: (first & 63) / 63,
    pDc: ((first >> 6) & 63) / 31.5 - 1,
    qDc: ((first >> 12) & 63) / 31.5 - 1,
    lScale: ((first >> 18) & 31) / 31,
    pScale: ((second >> 3) & 63) / 63,
    qScale: ((second >> 9) & 63) / 63,
    aDc: (at(5) & 15) / 15,
    aScale: (at(5) >> 4) / 15,
    columns: Math.max(3, isLandscape ? long : short),
    rows: Math.max(3, isLandscape ? short : long),
    isLandscape,
    long,
    short,
  };
}

/** @param {ReturnType<typeof readHeader>} header */
function aspectRatio({ isLandscape, long, short }) {
  const other = Math.max(1, short);
  return isLandscape ? long / other : other / long;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 */
function nibbleReader(bytes, start) {
  let index = 0;
  return () => {
    const byte = bytes[start + (index >> 1)] ?? 0;
    const nibble = index & 1 ? byte >> 4 : byte & 15;
    index += 1;
    return nibble;
  };
}

/** Triples of the frequency across, the frequency down, and how much of it there is.
 * @typedef {Float64Array} Channel */

/**
 * The coefficients of one channel: the upper left triangle of its frequencies, without 0,0.
 * @param {number} columns
 * @param {number} rows
 * @param {number} scale
 * @param {() => number} nextNibble
 * @returns {Channel}
 */
function channel(columns, rows, scale, nextNibble) {
  const triples = [];
  for (let y = 0; y < rows; y += 1) {
    for (let x = y ? 0 : 1; x * rows < columns * (rows - y); x += 1) {
      triples.push(x, y, (nextNibble() / 7.5 - 1) * scale * 2);
    }
  }
  return new Float64Array(triples);
}

/** More frequencies than the format has. */
const FREQUENCIES = 8;

/**
 * The cosine of every frequency at every place of a side.
 * @param {number} length
 */
function cosines(length) {
  const table = new Float64Array(length * FREQUENCIES);
  for (let at = 0; at < length; at += 1) {
    for (let n = 0; n < FREQUENCIES; n += 1) {
      table[at * FREQUENCIES + n] = Math.cos((Math.PI / length) * (at + 0.5) * n);
    }
  }
  return table;
}

/**
 * @param {Channel} triples
 * @param {Float64Array} cosX
 * @param {number} x
 * @param {Float64Array} cosY
 * @param {number} y
 */
function sum(triples, cosX, x, cosY, y) {
  let total = 0;
  for (let index = 0; index < triples.length; index += 3) {
    const across = cosX[x * FREQUENCIES + (triples[index] ?? 0)] ?? 0;
    const down = cosY[y * FREQUENCIES + (triples[index + 1] ?? 0)] ?? 0;
    total += (triples[index + 2] ?? 0) * across * down;
  }
  return total;
}
