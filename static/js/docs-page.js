// Upgrades the page that describes the gateway; without scripts it is there to be read.
import './elements/pg-code.js';
import './elements/pg-console.js';
import './elements/pg-filter.js';
import './elements/pg-tabs.js';
import './elements/pg-theme.js';
