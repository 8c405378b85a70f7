/**
 * What a closed socket asks of its client.
 * @enum {string}
 */
export const Verdict = /** @type {const} */ ({
  /** Do not come back by yourself. */
  STOP: 'stop',
  /** Come back after `retry_after_ms`. */
  WAIT: 'wait',
  /** Reconnect now, with jitter, and resume. */
  RESUME: 'resume',
});

/** @typedef {typeof Verdict[keyof typeof Verdict]} VerdictName */

/** Binary, not UTF-8, policy: the server would refuse the same again. */
const FINAL = [1003, 1007, 1008];
const TRY_AGAIN_LATER = 1013;

/**
 * Reads a close code by its range, so that a code this client has never heard of still says what
 * to do. Everything that is not ours and not final is resumed: 1000, 1001, 1006 and 1012 are what
 * servers, proxies and dead networks leave behind, and the position is ours, not the server's.
 * @param {number} code
 * @returns {VerdictName}
 */
export function verdictOf(code) {
  if (code >= 4000 && code < 4100) return Verdict.STOP;
  if (code >= 4100 && code < 4200) return Verdict.WAIT;
  if (FINAL.includes(code)) return Verdict.STOP;
  if (code === TRY_AGAIN_LATER) return Verdict.WAIT;
  return Verdict.RESUME;
}
