/**
 * The one element that must be there; the type is checked, not assumed.
 * @template {Element} Kind
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new (...parameters: any[]) => Kind} kind
 * @returns {Kind}
 */
export function find(root, selector, kind) {
  const element = root.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`The page has no ${kind.name} ${selector}`);
}

/**
 * A copy of the first element in a template, upgraded.
 * @template {Element} Kind
 * @param {ParentNode} root
 * @param {string} selector of the template
 * @param {new (...parameters: any[]) => Kind} kind
 * @returns {Kind}
 */
export function clone(root, selector, kind) {
  const template = find(root, selector, HTMLTemplateElement);
  const element = document.importNode(template.content, true).firstElementChild;
  if (element instanceof kind) return element;
  throw new Error(`The template ${selector} does not begin with ${kind.name}`);
}

/**
 * Listeners, timers and observers of an element, ended together when it leaves the page.
 */
export class Ties {
  #controller = new AbortController();

  get signal() {
    return this.#controller.signal;
  }

  /**
   * Calls back when the ties are cut.
   * @param {() => void} end
   */
  add(end) {
    this.signal.addEventListener('abort', end, { once: true });
  }

  /**
   * @param {() => void} callback
   * @param {number} ms
   */
  every(callback, ms) {
    const timer = setInterval(callback, ms);
    this.add(() => clearInterval(timer));
  }

  cut() {
    this.#controller.abort();
  }
}
