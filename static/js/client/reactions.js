/** @import { Post, Reaction, ReactionChange } from './wire.js' */

/** The server lists this many people per emoji; more are only counted. */
const LISTED_MAX = 100;

/**
 * @param {Post} post
 * @param {string} emoji
 * @param {number | undefined} userId
 */
export function hasReacted(post, emoji, userId) {
  if (userId === undefined) return false;
  return post.reactions.some(
    (reaction) => reaction.emoji === emoji && reaction.user_ids.includes(userId),
  );
}

/**
 * The post with one reaction added or taken back. The same change twice changes nothing more,
 * and the count is the server's when it names one.
 * @param {Post} post
 * @param {{ emoji: string, user_id: number, count?: number }} change
 * @param {boolean} isAdded
 * @returns {Post}
 */
export function withReaction(post, { emoji, user_id, count }, isAdded) {
  const before = post.reactions.find((reaction) => reaction.emoji === emoji);
  const others = (before?.user_ids ?? []).filter((id) => id !== user_id);
  const wasThere = others.length !== (before?.user_ids.length ?? 0);
  const step = Number(isAdded) - Number(wasThere);
  /** @type {Reaction} */
  const after = {
    emoji,
    count: count ?? Math.max(0, (before?.count ?? 0) + step),
    user_ids: isAdded && others.length < LISTED_MAX ? [...others, user_id] : others,
  };
  const reactions = before
    ? post.reactions.map((reaction) => (reaction === before ? after : reaction))
    : [...post.reactions, after];
  return { ...post, reactions: reactions.filter((reaction) => reaction.count > 0) };
}
