/**
 * A new idempotency key: 128 random bits in hex. Not `crypto.randomUUID`, which plain-http pages
 * on a local network do not have.
 * @returns {string}
 */
export function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
