/**
 * The iframe that Crossview is shown in, which may be there before it is asked for.
 *
 * A document of an opaque origin gets a process of its own from browsers that isolate such frames, and starting
 * one takes longer than all else that opening does. So the iframe is made when Crossview is likely to be opened.
 * It can't be moved within the page, which would load it anew: it waits, hidden with its parent, where it will be
 * shown. Until it is taken nothing is said to it, and no app is in it.
 */

/** No popups: they lead data out, and what they open is sandboxed, too. No top navigation, no origin. */
const SANDBOX = 'allow-scripts allow-forms allow-downloads allow-modals';
/** How long one is kept that nobody takes, in milliseconds: it holds some 20 MB. */
const KEPT = 60_000;

/** An iframe on frame.html. */
export interface Place {
  readonly iframe: HTMLIFrameElement;
  /** How many documents it has loaded. */
  loads: number;
  /** Called after each of them. */
  onLoad(): void;
}

interface Prepared {
  readonly place: Place;
  readonly timer: ReturnType<typeof setTimeout>;
}

const prepared = new WeakMap<HTMLElement, Prepared>();

/** @param url address of frame.html. */
export function newPlace(parent: HTMLElement, url: string): Place {
  const iframe = document.createElement('iframe');
  const place: Place = { iframe, loads: 0, onLoad() {} };
  iframe.setAttribute('sandbox', SANDBOX);
  iframe.allow = 'clipboard-write';
  iframe.referrerPolicy = 'no-referrer';
  // Not the page's dark scheme, for which a frame of the other scheme would get a white ground.
  iframe.style.cssText = 'border:0;width:100%;height:100%;color-scheme:light';
  iframe.src = url;
  iframe.addEventListener('load', () => {
    place.loads++;
    place.onLoad();
  });
  parent.append(iframe);
  return place;
}

/** Has one ready in `parent`, for a while. */
export function preparePlace(parent: HTMLElement, url: string) {
  if (!prepared.has(parent)) {
    const place = newPlace(parent, url);
    const timer = setTimeout(() => {
      prepared.delete(parent);
      place.iframe.remove();
    }, KEPT);
    prepared.set(parent, { place, timer });
  }
}

/** The one that is ready in `parent`, or a new one. */
export function takePlace(parent: HTMLElement, url: string): Place {
  const ready = prepared.get(parent);
  prepared.delete(parent);
  clearTimeout(ready?.timer);
  return ready?.place ?? newPlace(parent, url);
}
