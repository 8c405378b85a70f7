/**
 * Time and chance as the client uses them, so that tests can hold both in hand.
 * @typedef {object} Clock
 * @property {() => number} now milliseconds of the wall clock: it must go on while a laptop sleeps
 * @property {(callback: () => void, ms: number) => number} setTimeout
 * @property {(timer: number | null) => void} clearTimeout
 * @property {() => number} random in [0, 1)
 */

/** @type {Clock} */
export const systemClock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => /** @type {any} */ (globalThis.setTimeout(callback, ms)),
  clearTimeout: (timer) => globalThis.clearTimeout(timer ?? undefined),
  random: () => Math.random(),
};
