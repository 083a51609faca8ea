/** `fetch` and `sendBeacon`. */
import { define } from './define';
import { request, takeAhead } from './request';
import { appUrl, ORIGIN, pathOf } from './url';

const nativeFetch = window.fetch;
/** As many redirects as a browser follows (Fetch, "HTTP-redirect fetch"). */
const MOST_REDIRECTS = 20;

/** As the browser's, for the app's own addresses; the others the browser refuses by the frame's policy. */
async function appFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  let url = appUrl(input instanceof Request ? input.url : input);
  if (!url) {
    return nativeFetch.call(window, input, init);
  }
  const asked = new Request(input instanceof Request ? input : url, init);
  const { signal, redirect } = asked;
  let { method } = asked;
  let headers = [...asked.headers];
  let body = method === 'GET' || method === 'HEAD' ? undefined : await asked.arrayBuffer();
  for (let redirects = 0; ; redirects++) {
    // The body is transferred to the page, and a redirect may need it again.
    const response = await request(pathOf(url), {
      method,
      headers,
      body: body?.byteLength ? body.slice(0) : undefined,
      signal,
    });
    const { status } = response;
    const location = response.headers.get('location');
    if (![301, 302, 303, 307, 308].includes(status) || !location || redirect === 'manual') {
      define(response, 'url', { value: url.href.split('#')[0] });
      define(response, 'redirected', { value: redirects > 0 });
      return response;
    }
    response.body?.cancel();
    url = appUrl(location, url.href);
    if (!url || redirect === 'error' || redirects === MOST_REDIRECTS) {
      throw new TypeError(`Failed to fetch: redirected to ${location}`);
    }
    if (status === 303 ? method !== 'HEAD' : status < 303 && method === 'POST') {
      method = 'GET';
      body = undefined;
      headers = headers.filter(([name]) => !name.startsWith('content-'));
    }
  }
}

export function installFetch() {
  window.fetch = appFetch;
  navigator.sendBeacon = (url, body) => {
    fetch(url, { method: 'POST', body }).catch(() => {}); // nobody waits for it
    return true;
  };
}

/**
 * A file of the app.
 *
 * @throws TypeError when it isn't there.
 */
export async function getFile(url: URL): Promise<Response> {
  const response = (await takeAhead(pathOf(url))) ?? (await appFetch(url.href));
  if (!response.ok) {
    throw new TypeError(`${url.href.replace(ORIGIN, '')}: HTTP ${response.status}`);
  }
  return response;
}
