/**
 * The frame that the app runs in: a document of an opaque origin, which has no cookies, no storage, nothing of
 * Headlamp's, and by its policy no network. What the app needs of a browser's is given to it here, over one
 * port to the page.
 *
 * Not Rust: it has to be there before anything of the app's, weighs 14 kB at most (brotli), and all it does is
 * take the place of functions of the browser's. It holds no secret and keeps no rule: the app that runs in it
 * may do with it whatever it likes, and gets no further than the page's half lets it.
 */
import { ASK, HELLO, Start } from '../tunnel/messages';
import { showDocument } from './document';
import { installElements } from './elements';
import { installEventSource } from './eventSource';
import { installFetch } from './fetch';
import { installModules } from './modules';
import { installNavigation, tellPath } from './navigation';
import { connect, post } from './port';
import { cancelAhead, expectAhead } from './request';
import { installStorage } from './storage';
import { installUnavailable } from './unavailable';
import { installWebSocket } from './webSocket';
import { installXhr } from './xhr';

async function start({ path, localStorage, ahead }: Start, port: MessagePort) {
  connect(port);
  expectAhead(ahead);
  history.replaceState(null, '', path);
  installStorage(localStorage);
  installFetch();
  installXhr();
  installEventSource();
  installWebSocket();
  installModules();
  installElements();
  installNavigation();
  installUnavailable();
  tellPath();
  try {
    await showDocument();
    post({ t: 'ready' });
    cancelAhead();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    post({ t: 'failed', message, fatal: true });
  }
}

/** The page asks who this is when it is loaded, and then gives it its port, once. */
function onMessage({
  source,
  data,
  ports: [port],
}: MessageEvent<Partial<Start> | typeof ASK | null>) {
  if (source !== parent) {
    return;
  }
  if (data === ASK) {
    parent.postMessage(HELLO, '*');
  } else if (data?.t === 'crossview-start' && port) {
    removeEventListener('message', onMessage);
    start(data as Start, port);
  }
}

addEventListener('message', onMessage);
