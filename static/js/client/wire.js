// The shapes on the wire, as docs/protocol.md and docs/api.md describe them.
// Only types live here; readers ignore fields and event types they do not know.

/**
 * Where a reader stands in a room's log. Belongs to the client; any server process can resume it.
 * @typedef {object} Position
 * @property {string} epoch
 * @property {number} seq
 */

/**
 * Where a reader stands in a topic.
 * @typedef {object} TopicPosition
 * @property {string} epoch
 * @property {number} offset
 */

/**
 * @typedef {object} Person
 * @property {number} id
 * @property {string} username
 * @property {string} display_name
 * @property {string | null} avatar path of a picture
 */

/**
 * @typedef {object} Rendition
 * @property {string} url
 * @property {number} width
 * @property {number} height
 * @property {string} type
 */

/**
 * @typedef {object} Picture
 * @property {string} id
 * @property {string} url
 * @property {number} width
 * @property {number} height
 * @property {string} alt
 * @property {string} placeholder a thumbhash in base64, or ""
 * @property {Rendition[]} renditions narrowest first
 */

/**
 * @typedef {object} Reaction
 * @property {string} emoji
 * @property {number} count
 * @property {number[]} user_ids the first 100
 */

/**
 * The same for every viewer, in REST bodies and in events.
 * @typedef {object} Post
 * @property {string} id
 * @property {string} room
 * @property {number} seq the seq of its post.created, for ever
 * @property {Person} author
 * @property {string} text
 * @property {Picture[]} images
 * @property {string | null} reply_to
 * @property {string} client_id
 * @property {Reaction[]} reactions
 * @property {string} created_at
 * @property {string | null} edited_at
 * @property {boolean} [hidden]
 * @property {boolean} [deleted]
 */

/**
 * What is left of a hidden or deleted post.
 * @typedef {object} Tombstone
 * @property {string} id
 * @property {string} room
 * @property {number} seq
 * @property {boolean} [hidden]
 * @property {boolean} [deleted]
 */

/**
 * @typedef {object} ReactionChange
 * @property {string} post_id
 * @property {string} emoji
 * @property {number} user_id
 * @property {number} count
 */

/**
 * A durable event of a room's log.
 * @typedef {object} RoomEvent
 * @property {string} type
 * @property {string} room
 * @property {string} epoch
 * @property {number} seq
 * @property {string} time
 * @property {Person | null} actor
 * @property {string} [client_id] on post.created
 * @property {any} data depends on `type`; see docs/protocol.md
 */

/**
 * What a producer published. Kept for a short while only, to bridge reconnects.
 * @typedef {object} TopicEvent
 * @property {'event'} type
 * @property {string} message_type
 * @property {string} payload JSON text
 * @property {string} topic
 * @property {string} epoch
 * @property {number} offset
 */

/**
 * What subscribe, long-poll and poll answer for one room: every event since, or none and a reason.
 * @typedef {object} Replay
 * @property {string} room
 * @property {string} epoch
 * @property {number} seq
 * @property {boolean | null} recovered
 * @property {string | null} [reason]
 * @property {RoomEvent[]} events
 * @property {WireError} [error] subscribe only, in place of all but `room`: it could not be had
 */

/**
 * A page of posts. The position was read before the posts, so events after it apply on top.
 * @typedef {object} Page
 * @property {string} room
 * @property {string} epoch
 * @property {number} seq
 * @property {Post[]} results newest first, unless asked with after_seq
 * @property {string | null} next
 * @property {string | null} previous
 */

/**
 * @typedef {object} WireError
 * @property {string} code stable
 * @property {string} message for people; may change
 * @property {Record<string, string>} [fields]
 * @property {number} [retry_after_ms]
 */

/**
 * @typedef {object} Hello
 * @property {'hello'} type
 * @property {string} connection_id
 * @property {Person | null} user
 * @property {string} server_time
 * @property {number} heartbeat_ms
 * @property {Record<string, any>} limits
 */

export {};
