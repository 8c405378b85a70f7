import { clone, find } from './dom.js';
import { hasReacted } from './client/index.js';
import { showPlaceholder } from './placeholder.js';
import { lengthOf } from './text.js';
import { exactTime, shortDate, timeAgo } from './times.js';

/** @import { Picture, Post } from './client/wire.js' */

/** Texts up to this long are set larger when they stand alone; as in post_display.py. */
const SHORT_TEXT = 140;
const DISPLAY_WIDTH = 1280;
/** A link has a name also where nobody described its picture. */
const NO_ALT = 'Picture without a description';
const HUES = 8;

/**
 * Who looks at a post, and what they may do with it.
 * @typedef {object} Viewer
 * @property {number | undefined} userId
 * @property {boolean} mayWrite
 */

/**
 * Fills a card, rendered by the server or cloned from its template, with what a post says now.
 * Texts go in as text; only what differs is touched.
 * @param {HTMLElement} card
 * @param {ParentNode} templates where the parts' templates are
 * @param {Post} post
 * @param {Viewer} viewer
 */
export function fillCard(card, templates, post, viewer) {
  card.dataset.postId = post.id;
  card.dataset.seq = String(post.seq);
  const article = find(card, 'article', HTMLElement);
  article.id = `post-${post.id}`;
  article.setAttribute('aria-label', `Post by @${post.author.username}`);
  card.classList.toggle('post--words', post.images.length === 0);
  fillPictures(card, templates, post.images);
  fillText(card, post.text);
  fillByline(card, post);
  fillReactions(card, templates, post, viewer);
  const isOurs = post.author.id === viewer.userId;
  find(card, '[data-tools]', HTMLElement).hidden = !(isOurs && viewer.mayWrite);
}

/**
 * @param {HTMLElement} card
 * @param {string} text
 */
export function fillText(card, text) {
  const place = find(card, '[data-text]', HTMLElement);
  setText(place, text);
  place.dataset.length = lengthOf(text) <= SHORT_TEXT ? 'short' : 'long';
  place.hidden = !text;
}

/**
 * Brings the relative time up to date; the date beside it stays.
 * @param {HTMLElement} card
 * @param {number} now
 */
export function fillAge(card, now) {
  const time = find(card, '[data-time]', HTMLTimeElement);
  if (!time.dateTime) return;
  setText(find(card, '[data-ago]', HTMLElement), timeAgo(new Date(time.dateTime), now));
}

/**
 * @param {HTMLElement} card
 * @param {Pick<Post, 'author' | 'created_at' | 'edited_at'>} post
 */
export function fillByline(card, { author, created_at, edited_at }) {
  const avatar = find(card, '[data-avatar]', HTMLElement);
  setText(avatar, author.username.slice(0, 1));
  avatar.dataset.hue = String(author.id % HUES);
  const name = find(card, '[data-author]', HTMLElement);
  setText(name, `@${author.username}`);
  name.title = author.display_name;
  const time = find(card, '[data-time]', HTMLTimeElement);
  const createdAt = new Date(created_at);
  time.dateTime = created_at;
  time.title = exactTime(createdAt);
  setText(time, shortDate(createdAt));
  const edited = find(card, '[data-edited]', HTMLElement);
  edited.hidden = !edited_at;
  edited.title = edited_at ? exactTime(new Date(edited_at)) : '';
  fillAge(card, Date.now());
}

/**
 * @param {HTMLElement} card
 * @param {ParentNode} templates
 * @param {Picture[]} pictures
 */
function fillPictures(card, templates, pictures) {
  const place = find(card, '[data-pictures]', HTMLElement);
  const present = [...place.querySelectorAll('figure')];
  const isSame =
    present.length === pictures.length &&
    pictures.every((picture, index) => linkOf(present[index]) === picture.url);
  if (!isSame) {
    place.replaceChildren(
      ...pictures.map((picture) => newFigure(templates, picture, pictures.length === 1)),
    );
  }
  place.dataset.count = String(pictures.length);
  place.hidden = pictures.length === 0;
  for (const [index, figure] of [...place.querySelectorAll('figure')].entries()) {
    const image = find(figure, 'img', HTMLImageElement);
    const alt = pictures[index]?.alt ?? '';
    image.alt = alt;
    find(figure, 'a', HTMLAnchorElement).setAttribute('aria-label', alt || NO_ALT);
    showPlaceholder(figure, image);
  }
}

/** @param {HTMLElement | undefined} figure */
function linkOf(figure) {
  return figure?.querySelector('a')?.getAttribute('href');
}

/**
 * @param {ParentNode} templates
 * @param {Picture} picture
 * @param {boolean} isSingle
 */
function newFigure(templates, { url, width, height, placeholder, renditions }, isSingle) {
  const figure = clone(templates, 'template[data-picture]', HTMLElement);
  figure.dataset.placeholder = placeholder;
  find(figure, 'a', HTMLAnchorElement).href = url;
  const image = find(figure, 'img', HTMLImageElement);
  image.width = width;
  image.height = height;
  if (isSingle) image.sizes = '(width >= 42rem) 40rem, 100vw';
  const sources = renditions.map((each) => [each.url, each.width]);
  if ((renditions.at(-1)?.width ?? 0) < width) sources.push([url, width]);
  image.srcset = sources.map(([source, sourceWidth]) => `${source} ${sourceWidth}w`).join(', ');
  image.src = renditions.filter((each) => each.width <= DISPLAY_WIDTH).at(-1)?.url ?? url;
  return figure;
}

/**
 * @param {HTMLElement} card
 * @param {ParentNode} templates
 * @param {Post} post
 * @param {Viewer} viewer
 */
function fillReactions(card, templates, post, { userId, mayWrite }) {
  const place = find(card, '[data-reactions]', HTMLElement);
  const add = find(place, '[data-react]', HTMLButtonElement);
  add.hidden = !mayWrite;
  /** @type {Map<string, HTMLButtonElement>} */
  const present = new Map();
  for (const button of place.querySelectorAll('button')) {
    if (button !== add) present.set(button.value, button);
  }
  // Kept in place where they are, so that focus and a finger on the way do not miss.
  for (const { emoji, count } of post.reactions) {
    const button =
      present.get(emoji) ?? clone(templates, 'template[data-reaction]', HTMLButtonElement);
    const isOurs = hasReacted(post, emoji, userId);
    button.value = emoji;
    button.disabled = !mayWrite;
    button.setAttribute('aria-pressed', String(isOurs));
    button.setAttribute('aria-label', `${emoji} ${count}`);
    setText(find(button, '[data-emoji]', HTMLElement), emoji);
    setText(find(button, '[data-count]', HTMLElement), String(count));
    if (!present.delete(emoji)) add.before(button);
  }
  for (const button of present.values()) {
    if (button === document.activeElement) add.focus({ preventScroll: true });
    button.remove();
  }
}

/**
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
