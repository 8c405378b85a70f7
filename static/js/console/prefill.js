/**
 * @typedef {object} ActionStart
 * @property {string} group
 * @property {string} description
 * @property {Record<string, unknown>[]} examples
 */

/** Ids in examples, which mean nothing to a live server. */
const EXAMPLE_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Examples of requests, made with what has come over the wire: the id in them is that of the last
 * post that was seen.
 */
export class Prefill {
  #postId = '';
  #number = 0;

  /** @param {Record<string, ActionStart>} actions */
  constructor(actions) {
    this.actions = actions;
  }

  /** Remembers the post that a frame carries. @param {any} frame */
  note(frame) {
    const told = frame?.data ?? frame?.result;
    if (typeof told?.id === 'string' && Array.isArray(told.images) && told.author) {
      this.#postId = told.id;
    }
  }

  /**
   * @param {string} name
   * @param {number} [place]
   * @returns {string} JSON text, or '' for an action that is not known
   */
  textOf(name, place = 0) {
    const example = this.actions[name]?.examples[place];
    if (!example) return '';
    this.#number += 1;
    const { action, ...fields } = example;
    return write({ action, request_id: this.#number, ...this.#revived(fields) });
  }

  /** @param {Record<string, unknown>} fields */
  #revived(fields) {
    // Sent twice, the same key would say that it is the same request.
    const { client_id: _, ...others } = fields;
    if (!this.#postId) return others;
    const entries = Object.entries(others).map(([name, value]) =>
      typeof value === 'string' && EXAMPLE_ID.test(value) ? [name, this.#postId] : [name, value],
    );
    return Object.fromEntries(entries);
  }
}

/**
 * JSON with a member a line, and what is inside a member beside one another.
 * @param {Record<string, unknown>} members
 */
export function write(members) {
  const lines = Object.entries(members).map(
    ([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  return `{\n${lines.join(',\n')}\n}`;
}
