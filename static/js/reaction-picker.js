/** @import { RoomContext } from './elements/pg-room.js' */

const MARGIN_PX = 8;

/** A small row of emoji beside the button that asked for it; one for the whole feed. */
export class ReactionPicker {
  /** @type {string | null} */
  #postId = null;

  /**
   * @param {HTMLElement} element
   * @param {RoomContext} context
   * @param {AbortSignal} signal
   */
  constructor(element, context, signal) {
    this.element = element;
    element.addEventListener(
      'click',
      (event) => {
        const button = event.target instanceof Element ? event.target.closest('button') : null;
        if (button && this.#postId) context.react(this.#postId, button.value);
        if (button) element.hidePopover();
      },
      { signal },
    );
  }

  /**
   * @param {string} postId
   * @param {HTMLElement} opener
   */
  open(postId, opener) {
    this.#postId = postId;
    this.element.showPopover();
    const place = opener.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.element;
    const left = Math.max(MARGIN_PX, place.right - offsetWidth);
    const above = place.top - offsetHeight - MARGIN_PX;
    const top = above > MARGIN_PX ? above : place.bottom + MARGIN_PX;
    this.element.style.setProperty('left', `${left + window.scrollX}px`);
    this.element.style.setProperty('top', `${top + window.scrollY}px`);
    this.element.querySelector('button')?.focus({ preventScroll: true });
  }
}
