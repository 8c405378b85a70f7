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
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    const cosY = cosines(y, height, Math.max(rows, hasAlpha ? 5 : 3));
    for (let x = 0; x < width; x += 1) {
      const cosX = cosines(x, width, Math.max(columns, hasAlpha ? 5 : 3));
      const light = header.lDc + sum(l, cosX, cosY);
      const blueYellow = header.pDc + sum(p, cosX, cosY);
      const redGreen = header.qDc + sum(q, cosX, cosY);
      const blue = light - (2 / 3) * blueYellow;
      const red = (3 * light - blue + redGreen) / 2;
      const green = red - redGreen;
      const alpha = a ? header.aDc + sum(a, cosX, cosY) : 1;
      pixels.set([red, green, blue, alpha].map((value) => value * 255), (y * width + x) * 4);
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

/** @typedef {{ x: number, y: number, value: number }[]} Channel */

/**
 * The coefficients of one channel: the upper left triangle of its frequencies, without 0,0.
 * @param {number} columns
 * @param {number} rows
 * @param {number} scale
 * @param {() => number} nextNibble
 * @returns {Channel}
 */
function channel(columns, rows, scale, nextNibble) {
  const values = [];
  for (let y = 0; y < rows; y += 1) {
    for (let x = y ? 0 : 1; x * rows < columns * (rows - y); x += 1) {
      values.push({ x, y, value: (nextNibble() / 7.5 - 1) * scale });
    }
  }
  return values;
}

/**
 * @param {number} at
 * @param {number} length
 * @param {number} count
 */
function cosines(at, length, count) {
  return Array.from({ length: count }, (_, n) => Math.cos((Math.PI / length) * (at + 0.5) * n));
}

/**
 * @param {Channel} coefficients
 * @param {number[]} cosX
 * @param {number[]} cosY
 */
function sum(coefficients, cosX, cosY) {
  let total = 0;
  for (const { x, y, value } of coefficients) total += value * (cosX[x] ?? 0) * (cosY[y] ?? 0) * 2;
  return total;
}
