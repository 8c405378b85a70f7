import { clone, find } from './dom.js';
import { chooseFiles } from './files.js';

/** @import { PictureLimits } from './files.js' */

/** The pictures of a draft: chosen, dropped anywhere on the page, or pasted. */
export class Attachments {
  /** @type {{ file: File, alt: HTMLInputElement, element: HTMLElement, url: string }[]} */
  #items = [];
  /** Drags enter and leave every element on their way: counted, not believed. */
  #dragDepth = 0;
  #isClosed = false;

  /**
   * @param {HTMLElement} root the composer
   * @param {PictureLimits} limits
   * @param {AbortSignal} signal
   */
  constructor(root, limits, signal) {
    this.root = root;
    this.limits = limits;
    this.list = find(root, '[data-previews]', HTMLElement);
    this.problems = find(root, '[data-problems]', HTMLElement);
    this.dropzone = find(root, '[data-dropzone]', HTMLElement);
    const input = find(root, 'input[type=file]', HTMLInputElement);
    input.addEventListener(
      'change',
      () => {
        this.add([...(input.files ?? [])]);
        // Emptied, so that the plain form has nothing and the same file can be chosen again.
        input.value = '';
      },
      { signal },
    );
    this.#listenToDrags(signal);
    document.addEventListener(
      'paste',
      (event) => {
        const files = [...(event.clipboardData?.files ?? [])];
        // Copied cells and paragraphs come with a picture of themselves: the text is meant.
        if (!files.length || event.clipboardData?.types.includes('text/plain')) return;
        event.preventDefault();
        this.add(files);
      },
      { signal },
    );
    signal.addEventListener('abort', () => this.clear());
  }

  /** @returns {{ file: Blob, alt: string }[]} */
  pictures() {
    return this.#items.map(({ file, alt }) => ({ file, alt: alt.value.trim() }));
  }

  /** Takes no more. */
  close() {
    this.#isClosed = true;
  }

  /** @param {File[]} files */
  add(files) {
    if (this.#isClosed) return;
    const { accepted, problems } = chooseFiles(files, this.#items.length, this.limits);
    this.complain(problems);
    for (const file of accepted) this.#addOne(file);
    this.#items.at(-1)?.alt.focus({ preventScroll: true });
  }

  clear() {
    for (const { element, url } of this.#items) {
      element.remove();
      URL.revokeObjectURL(url);
    }
    this.#items = [];
    this.complain([]);
  }

  /** @param {string[]} problems */
  complain(problems) {
    this.problems.hidden = problems.length === 0;
    this.problems.replaceChildren(
      ...problems.map((problem) => {
        const line = document.createElement('p');
        line.textContent = problem;
        return line;
      }),
    );
  }

  /** @param {File} file */
  #addOne(file) {
    const element = clone(this.root, 'template[data-preview]', HTMLElement);
    const image = find(element, 'img', HTMLImageElement);
    const alt = find(element, 'input', HTMLInputElement);
    const remove = find(element, '[data-remove]', HTMLButtonElement);
    const url = URL.createObjectURL(file);
    image.src = url;
    alt.setAttribute('aria-label', `Description of ${file.name}`);
    remove.setAttribute('aria-label', `Remove ${file.name}`);
    // A format that this browser cannot draw can be posted all the same.
    image.addEventListener('error', () => image.replaceWith(file.name), { once: true });
    const item = { file, alt, element, url };
    remove.addEventListener('click', () => {
      this.#items = this.#items.filter((each) => each !== item);
      element.remove();
      URL.revokeObjectURL(url);
      find(this.root, 'textarea', HTMLTextAreaElement).focus();
    });
    alt.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) alt.form?.requestSubmit();
      else find(this.root, 'textarea', HTMLTextAreaElement).focus();
    });
    this.#items.push(item);
    this.list.append(element);
  }

  /** @param {AbortSignal} signal */
  #listenToDrags(signal) {
    const hasFiles = (/** @type {DragEvent} */ event) =>
      event.dataTransfer?.types.includes('Files') ?? false;
    const show = (/** @type {number} */ depth) => {
      this.#dragDepth = Math.max(0, depth);
      this.dropzone.hidden = this.#dragDepth === 0 || this.#isClosed;
    };
    /** @type {[string, (event: DragEvent) => void][]} */
    const listeners = [
      ['dragenter', () => show(this.#dragDepth + 1)],
      ['dragleave', () => show(this.#dragDepth - 1)],
      ['dragover', (event) => event.preventDefault()],
      [
        'drop',
        (event) => {
          event.preventDefault();
          show(0);
          this.add([...(event.dataTransfer?.files ?? [])]);
        },
      ],
    ];
    for (const [name, listener] of listeners) {
      document.addEventListener(
        name,
        (event) => {
          if (event instanceof DragEvent && hasFiles(event)) listener(event);
        },
        { signal },
      );
    }
  }
}
