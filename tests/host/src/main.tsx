/** Starts the host. The order matters: translations, then what plugins get, then the page. */
import './fonts.css';
import '@kinvolk/headlamp-plugin/lib/i18n/config.js';
import '@kinvolk/headlamp-plugin/lib/plugin/index.js';
import { addCollection } from '@iconify/react';
import mdi from '@iconify-json/mdi/icons.json';
import { createRoot } from 'react-dom/client';
import { App } from './App';

// The library brings no icons, and would ask the internet for each.
addCollection(mdi);

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(<App />);
}
