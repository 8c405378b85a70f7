import { CancelledError, NoAnswerError } from './errors.js';

/** An upload that moves no byte for this long is counted as without answer. */
const STALL_MS = 45_000;

/**
 * Sends a form with news of its progress, which `fetch` cannot tell.
 * @param {string} url
 * @param {object} options
 * @param {typeof globalThis.XMLHttpRequest} options.XMLHttpRequest
 * @param {Record<string, string>} options.headers
 * @param {FormData} options.body
 * @param {(share: number) => void} [options.onProgress] 0 to 1
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<{ status: number, text: string }>} rejects with NoAnswerError, CancelledError
 */
export function upload(url, { XMLHttpRequest, headers, body, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new CancelledError());
      return;
    }
    const request = new XMLHttpRequest();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let stall;
    const stalled = () => request.abort();
    const moved = () => {
      clearTimeout(stall);
      stall = setTimeout(stalled, STALL_MS);
    };
    const cancel = () => request.abort();
    signal?.addEventListener('abort', cancel);
    request.upload.onprogress = ({ loaded, total, lengthComputable }) => {
      moved();
      if (lengthComputable) onProgress?.(loaded / total);
    };
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => reject(new NoAnswerError('The network failed'));
    request.onabort = () =>
      reject(signal?.aborted ? new CancelledError() : new NoAnswerError('The upload stalled'));
    request.onloadend = () => {
      clearTimeout(stall);
      signal?.removeEventListener('abort', cancel);
    };
    request.open('POST', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    moved();
    request.send(body);
  });
}
