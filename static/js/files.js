// What may be attached, checked before it is sent. The server decides by the bytes; this only
// spares people the wait.

/**
 * @typedef {object} PictureLimits
 * @property {number} pictures_per_post_max
 * @property {number} picture_bytes_max
 * @property {string[]} picture_types
 */

/** Phones name HEIC photos without a type on some systems. */
const TYPES_BY_ENDING = new Map([
  ['heic', 'image/heic'],
  ['heif', 'image/heic'],
  ['avif', 'image/avif'],
]);

/**
 * Chooses the files that can be attached, and says in a sentence each what is wrong with others.
 * @param {File[]} files
 * @param {number} attachedCount
 * @param {PictureLimits} limits
 * @returns {{ accepted: File[], problems: string[] }}
 */
export function chooseFiles(files, attachedCount, limits) {
  const accepted = [];
  const problems = [];
  for (const file of files) {
    if (!limits.picture_types.includes(typeOf(file))) {
      problems.push(`${nameOf(file)} is no picture of ours: ${typeNames(limits.picture_types)}.`);
    } else if (file.size > limits.picture_bytes_max) {
      problems.push(`${nameOf(file)} has ${size(file.size)}; ${size(limits.picture_bytes_max)} fit.`);
    } else if (attachedCount + accepted.length >= limits.pictures_per_post_max) {
      problems.push(`${nameOf(file)} is one too many: a post holds ${limits.pictures_per_post_max}.`);
    } else {
      accepted.push(file);
    }
  }
  return { accepted, problems };
}

/** @param {File} file */
function typeOf(file) {
  const ending = file.name.split('.').pop()?.toLowerCase() ?? '';
  const type = file.type || TYPES_BY_ENDING.get(ending) || '';
  return type === 'image/heif' ? 'image/heic' : type;
}

/** @param {File} file */
function nameOf(file) {
  return file.name || 'That';
}

/** @param {string[]} types */
function typeNames(types) {
  const names = types.map((type) => type.replace('image/', '').toUpperCase().replace('WEBP', 'WebP'));
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

/** @param {number} bytes */
function size(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(1).replace('.0', '')} MiB`;
}
