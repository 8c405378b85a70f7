import { hasWords } from '../words.js';

/**
 * A message that went over the wire, or a note about the wire itself.
 * @typedef {object} Message
 * @property {'sent' | 'came' | 'note'} way
 * @property {string} text as it was sent
 * @property {number} at in milliseconds since 1970
 * @property {any} frame what the text says, or null where it is no JSON
 */

/** Messages kept; a console that is forgotten must not grow. */
export const KEPT = 500;

/**
 * Reads a message.
 * @param {Message['way']} way
 * @param {string} text
 * @param {number} at
 * @returns {Message}
 */
export function readMessage(way, text, at) {
  let frame = null;
  try {
    frame = way === 'note' ? null : JSON.parse(text);
  } catch {
    // It is shown as it is.
  }
  return { way, text, at, frame };
}

/**
 * What a message is, in a word: the action, the event's type, the error's code.
 * @param {Message} message
 * @returns {string}
 */
export function kindOf({ way, frame }) {
  if (way === 'note') return '';
  if (frame === null || typeof frame !== 'object') return 'text';
  if (frame.error) return String(frame.error.code);
  if (way === 'sent') return String(frame.action ?? frame.type ?? 'object');
  if ('done' in frame) return 'done';
  if ('ok' in frame) return String(frame.action ?? 'ok');
  if ('result' in frame) return 'item';
  return String(frame.type ?? 'object');
}

/**
 * The rest of a message in a line.
 * @param {Message} message
 * @returns {string}
 */
export function briefOf({ way, text, frame }) {
  if (way === 'note') return text;
  if (frame === null || typeof frame !== 'object') return text;
  if (frame.error) return String(frame.error.message ?? '');
  const { action, type, request_id: _, ok, epoch, time, actor, ...rest } = frame;
  const told = rest.result ?? rest.data ?? rest;
  return JSON.stringify(told);
}

/** Whether a message only keeps the wire alive. @param {Message} message */
export function isBeat({ way, frame }) {
  if (frame === null || typeof frame !== 'object') return false;
  const isBarePing = frame.action === 'ping' && frame.request_id === undefined;
  return frame.type === 'heartbeat' || (way !== 'note' && isBarePing);
}

/**
 * Whether somebody who types these words wants to see a message.
 * @param {Message} message
 * @param {string} query
 */
export function isWanted(message, query) {
  return hasWords(`${message.way} ${kindOf(message)} ${message.text}`, query);
}
