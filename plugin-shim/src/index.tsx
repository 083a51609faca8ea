/**
 * What every Headlamp user loads at start: one sidebar entry, one route, and the wish to load the rest in time.
 *
 * Always holds: nothing here throws while Headlamp runs it (an error would be nobody's to show), nothing
 * but this script is fetched before somebody shows interest in Crossview, and its size has a budget of
 * 1 kB (brotli). Everything that is needed only once the page is open belongs in `page/`.
 *
 * Not Rust, since Headlamp runs nothing but JavaScript and wants registrations before it draws anything.
 */

import { loadAhead } from './ahead';
import { CrossviewRoute } from './CrossviewRoute';
import { registerRoute, registerSidebarEntry } from './headlamp';

/** Name of the sidebar entry, and of its route below the cluster's. */
const NAME = 'crossview';
const PATH = `/${NAME}`;

registerSidebarEntry({
  parent: 'cluster',
  name: NAME,
  label: 'Crossview',
  url: PATH,
  // One of the icons that Headlamp brings itself: others are asked from the internet.
  icon: 'mdi:sitemap',
  useClusterURL: true,
});

registerRoute({
  path: PATH,
  sidebar: NAME,
  name: 'Crossview',
  isFullWidth: true,
  useClusterURL: true,
  component: CrossviewRoute,
});

loadAhead(PATH);
