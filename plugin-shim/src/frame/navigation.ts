/**
 * Where the app is, and where it goes: its history is the browser's own, the page is told of it; what would
 * load another document is told to the page instead, which loads the app anew or opens a tab.
 *
 * `location` can't be replaced: what the app sets there takes this document away, and the page brings the app
 * back where it was.
 */
import { assetUrl } from './assets';
import { post, report } from './port';
import { appUrl, pathOf, resolve } from './url';

const here = () => pathOf(location) + location.hash;

export function tellPath() {
  post({ t: 'navigated', path: here(), title: document.title });
}

/** Another document of the app, or a page elsewhere. */
function follow(url: URL) {
  if (appUrl(url)) {
    post({ t: 'restart', path: pathOf(url) + url.hash });
  } else {
    post({ t: 'open', url: url.href });
  }
}

async function download(url: URL, name: string) {
  const link = document.createElement('a');
  link.href = await assetUrl(url);
  link.download = name || (url.pathname.split('/').pop() ?? '');
  link.click();
}

function onClick(event: MouseEvent) {
  const link = event
    .composedPath()
    .find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement && !!node.href);
  const url = link && resolve(link.href);
  if (event.defaultPrevented || event.button > 1 || !url || !/^https?:$/.test(url.protocol)) {
    return;
  }
  const isPlain = !event.button && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const isOwn = !!appUrl(url);
  if (isOwn && isPlain && url.hash && pathOf(url) === pathOf(location)) {
    return; // the browser scrolls there
  }
  event.preventDefault();
  if (isOwn && link.hasAttribute('download')) {
    download(url, link.download).catch(() => report(`the file ${pathOf(url)}`));
  } else {
    follow(url);
  }
}

function onSubmit(event: SubmitEvent) {
  if (event.defaultPrevented) {
    return;
  }
  event.preventDefault();
  const form = event.target as HTMLFormElement;
  const url = resolve(event.submitter?.getAttribute('formaction') ?? form.action);
  if (form.method === 'dialog') {
    form.closest('dialog')?.close();
  } else if (form.method === 'get' && url) {
    const fields = [...new FormData(form, event.submitter)].map(([name, value]) => [
      name,
      typeof value === 'string' ? value : value.name,
    ]);
    url.search = `${new URLSearchParams(fields)}`;
    follow(url);
  } else {
    report(`a form that is sent by ${form.method}`);
  }
}

export function installNavigation() {
  for (const name of ['pushState', 'replaceState'] as const) {
    const native = history[name];
    history[name] = (...to) => {
      native.apply(history, to);
      tellPath();
    };
  }
  addEventListener('popstate', tellPath);
  addEventListener('hashchange', tellPath);
  // First of all listeners: the app's own may want to keep it quiet.
  addEventListener('pagehide', () => post({ t: 'unload' }), { capture: true });
  // Last of all listeners: the app's own may have seen to it.
  addEventListener('click', onClick);
  addEventListener('auxclick', onClick);
  addEventListener('submit', onSubmit);
  window.open = url => {
    const to = url && resolve(url);
    if (to && /^https?:$/.test(to.protocol)) {
      follow(to);
    } else {
      report(`a window for ${url || 'nothing'}`);
    }
    return null;
  };
}
