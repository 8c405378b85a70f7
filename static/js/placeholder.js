import { decodeThumbHash } from './thumbhash.js';

/** Figures that are taken care of already. */
const shown = new WeakSet();

/**
 * Shows a figure's blurred placeholder until its picture is there, and says so if it never comes.
 * @param {HTMLElement} figure
 * @param {HTMLImageElement} image
 */
export function showPlaceholder(figure, image) {
  if (shown.has(figure)) return;
  shown.add(figure);
  const loaded = () => figure.classList.add('picture--loaded');
  if (image.complete && image.naturalWidth > 0) {
    loaded();
  } else {
    image.addEventListener('load', loaded, { once: true });
  }
  const thumb = decodeThumbHash(figure.dataset.placeholder ?? '');
  if (!thumb) return;
  figure.classList.toggle('picture--see-through', thumb.hasAlpha);
  // The blur of a picture that is smaller than its blur shows what is not there.
  if (Number(image.getAttribute('width')) < thumb.width) return;
  const canvas = document.createElement('canvas');
  canvas.className = 'picture__placeholder';
  canvas.classList.toggle('picture__placeholder--see-through', thumb.hasAlpha);
  canvas.width = thumb.width;
  canvas.height = thumb.height;
  canvas.setAttribute('aria-hidden', 'true');
  canvas
    .getContext('2d')
    ?.putImageData(new ImageData(thumb.pixels, thumb.width, thumb.height), 0, 0);
  figure.prepend(canvas);
}
