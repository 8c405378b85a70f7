const SHOWN_MS = 1_500;

/**
 * Copies a text, and lets the button that was pressed say whether that went well.
 * @param {HTMLElement} button
 * @param {string} text
 */
export async function copyFrom(button, text) {
  const word = button.dataset.word ?? button.textContent ?? '';
  button.dataset.word = word;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  setTimeout(() => {
    button.textContent = word;
  }, SHOWN_MS);
}
