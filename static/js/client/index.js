// The client package: everything a page or a program needs to take part, and nothing of the DOM.
export { Api } from './api.js';
export { Backoff } from './backoff.js';
export { newClientId } from './client-id.js';
export { systemClock } from './clock.js';
export { Verdict, verdictOf } from './close-codes.js';
export { Connection } from './connection.js';
export { ConnectionState } from './connection-state.js';
export { CancelledError, NoAnswerError, RefusedError, StoppedError } from './errors.js';
export { Outbox } from './outbox.js';
export { hasReacted } from './reactions.js';
export { Room } from './room.js';
export { RoomStore } from './room-store.js';
export { Fit } from './subscriptions.js';
