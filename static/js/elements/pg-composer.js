import { Attachments } from '../attachments.js';
import { find, Ties } from '../dom.js';
import { complainOfLength, lengthOf } from '../text.js';

/** @import { RoomContext } from './pg-room.js' */

/** From here on the characters that are left are counted aloud. */
const FEW_LEFT = 200;

/** "What's Up?": the form that the server rendered, sent without leaving the page. */
export class PgComposer extends HTMLElement {
  #ties = new Ties();

  /** @type {Attachments | null} */
  #attachments = null;
  #isClosed = false;

  disconnectedCallback() {
    this.#ties.cut();
  }

  /** Nothing can be posted any more; what was written can still be read and copied. */
  close() {
    this.#isClosed = true;
    this.#attachments?.close();
    const text = find(this, 'textarea', HTMLTextAreaElement);
    text.readOnly = true;
    this.hidden = !text.value && !this.#attachments?.pictures().length;
  }

  /** @param {RoomContext} context */
  connect(context) {
    const { signal } = this.#ties;
    const form = find(this, 'form', HTMLFormElement);
    const text = find(this, 'textarea', HTMLTextAreaElement);
    const attachments = new Attachments(this, context.limits, signal);
    this.#attachments = attachments;
    if (/Mac|iP(hone|ad)/.test(navigator.platform)) {
      find(this, '[data-keys]', HTMLElement).textContent = '⌘ Enter';
    }

    form.addEventListener(
      'submit',
      (event) => {
        event.preventDefault();
        if (this.#isClosed) return;
        const draft = { text: text.value.trim(), pictures: attachments.pictures() };
        if (!draft.text && !draft.pictures.length) {
          attachments.complain(['Write something, or attach a picture.']);
          text.focus();
          return;
        }
        const complaint = complainOfLength(draft.text, Number(text.dataset.max));
        if (complaint) {
          attachments.complain([complaint]);
          text.focus();
          return;
        }
        context.room.send(draft);
        attachments.clear();
        text.value = '';
        this.#count(text);
        text.focus({ preventScroll: true });
        window.scrollTo({ top: 0 });
      },
      { signal },
    );
    text.addEventListener(
      'keydown',
      (event) => {
        const isEnter = event.key === 'Enter' && (event.ctrlKey || event.metaKey);
        // An Enter that ends the composition of a character is not ours.
        if (isEnter && !event.isComposing) form.requestSubmit();
      },
      { signal },
    );
    text.addEventListener(
      'input',
      () => {
        attachments.complain([]);
        this.#count(text);
      },
      { signal },
    );
    this.#count(text);
  }

  /** @param {HTMLTextAreaElement} text */
  #count(text) {
    const left = Number(text.dataset.max) - lengthOf(text.value.trim());
    const place = find(this, '[data-left]', HTMLElement);
    place.hidden = left > FEW_LEFT;
    place.textContent = left < 0 ? `${-left} too many` : `${left} left`;
    place.classList.toggle('composer__left--few', left <= FEW_LEFT / 10);
  }
}

customElements.define('pg-composer', PgComposer);
