// Upgrades the page of a room that the server rendered. The room comes last: it finds its parts ready.
import './elements/pg-theme.js';
import './elements/pg-room.js';
