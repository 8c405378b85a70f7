import { RefusedError } from './client/index.js';
import { clone, find } from './dom.js';
import { complainOfLength } from './text.js';

/** @import { Post } from './client/wire.js' */

/** The form that stands in the place of a post's text while its author changes it. */
export class EditForm {
  #isSaving = false;

  /**
   * @param {ParentNode} templates
   * @param {Post} post
   * @param {object} actions
   * @param {(changes: { text: string, alts?: string[] }) => Promise<void>} actions.save
   * @param {() => void} actions.close
   */
  constructor(templates, post, { save, close }) {
    this.save = save;
    this.close = close;
    this.element = clone(templates, 'template[data-edit]', HTMLFormElement);
    this.text = find(this.element, 'textarea', HTMLTextAreaElement);
    this.text.value = post.text;
    this.alts = post.images.map((picture, index) => this.#addAlt(picture.alt, index));
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.element.requestSubmit();
    });
    find(this.element, '[data-cancel]', HTMLElement).addEventListener('click', () => this.close());
  }

  focus() {
    this.text.focus();
    this.text.setSelectionRange(this.text.value.length, this.text.value.length);
  }

  /**
   * @param {string} alt
   * @param {number} index
   */
  #addAlt(alt, index) {
    const input = document.createElement('input');
    input.className = 'input input--small';
    input.value = alt;
    input.dir = 'auto';
    input.placeholder = 'Describe the picture';
    input.setAttribute('aria-label', `Description of picture ${index + 1}`);
    find(this.element, '.edit__alts', HTMLElement).append(input);
    return input;
  }

  async #submit() {
    if (this.#isSaving) return;
    const problem = find(this.element, '[data-problem]', HTMLElement);
    const complaint = complainOfLength(this.text.value.trim(), Number(this.text.dataset.max));
    problem.textContent = complaint;
    problem.hidden = complaint === null;
    if (complaint) return;
    this.#isSaving = true;
    try {
      const alts = this.alts.map((input) => input.value);
      await this.save({ text: this.text.value, ...(alts.length && { alts }) });
      this.close();
    } catch (error) {
      problem.textContent =
        error instanceof RefusedError
          ? [error.message, ...Object.values(error.fields)].join(' ')
          : 'Nobody answers. What you wrote is still here; try again.';
      problem.hidden = false;
    }
    this.#isSaving = false;
  }
}
