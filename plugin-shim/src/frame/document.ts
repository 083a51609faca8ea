/** The app's own document: fetched, parsed, and put in the place of this one, scripts in their order. */
import { assetUrl, blobUrl } from './assets';
import { mayHaveAddress, rewriteCss, styleSheet } from './css';
import { define } from './define';
import { takeBeforehand } from './elements';
import { preloadModule, runModule } from './modules';
import { report } from './port';
import { request, takeAhead } from './request';
import { appUrl, pathOf } from './url';

const SCRIPT_TYPES = /^(module|(text|application)\/(java|ecma)script)?$/;

/**
 * Shows the app's document at this document's address.
 *
 * @throws Error, in words for the user, when there is none, or it can't run.
 */
export async function showDocument() {
  const path = pathOf(location);
  const response =
    (await takeAhead(path)) ?? (await request(path, { headers: [['accept', 'text/html']] }));
  const type = response.headers.get('content-type') ?? '';
  if (!response.ok || !/html/.test(type)) {
    throw new Error(`${path}: HTTP ${response.status} ${type}`);
  }
  const parsed = new DOMParser().parseFromString(await response.text(), 'text/html');
  // Parsed without scripts, it has an answer to their lack.
  parsed.querySelectorAll('noscript').forEach(element => element.remove());
  if (parsed.querySelector('script[type=importmap]')) {
    report('an import map');
  }
  const { head, body } = parsed;

  // What takes longest is asked for first.
  const scripts = [...parsed.scripts].filter(({ type }) => SCRIPT_TYPES.test(type));
  for (const script of scripts) {
    script.remove();
    const url = script.type === 'module' && appUrl(script.getAttribute('src'));
    if (url) {
      preloadModule(url);
    }
  }
  parsed.querySelectorAll<HTMLLinkElement>('link[rel=modulepreload]').forEach(link => {
    const url = appUrl(link.getAttribute('href'));
    if (url) {
      preloadModule(url);
    }
  });
  const styles = [...parsed.querySelectorAll('link[rel~=stylesheet],style')].map(styleOf);

  for (const [from, to] of [
    [parsed.documentElement, document.documentElement],
    [body, document.body],
  ] as const) {
    for (const { name, value } of from.attributes) {
      to.setAttribute(name, value);
    }
  }
  document.title = parsed.title;
  document.head.append(...head.querySelectorAll('base, meta:not([http-equiv])'));
  for (const style of await Promise.all(styles)) {
    document.head.append(style);
  }
  takeBeforehand(body);
  document.body.replaceChildren(...body.childNodes);

  const isLate = (script: HTMLScriptElement) =>
    script.type === 'module' || (script.defer && script.hasAttribute('src'));
  setReadyState('loading');
  for (const script of scripts.filter(script => !isLate(script))) {
    await run(script);
  }
  setReadyState('interactive');
  for (const script of scripts.filter(isLate)) {
    await run(script);
  }
  document.dispatchEvent(new Event('DOMContentLoaded', { bubbles: true }));
  setReadyState('complete');
  window.dispatchEvent(new Event('load'));
}

function setReadyState(value: DocumentReadyState) {
  define(document, 'readyState', { value });
  document.dispatchEvent(new Event('readystatechange'));
}

/** A style element in the place of what the document has; empty where it can't be had. */
async function styleOf(element: Element): Promise<Element> {
  const style = document.createElement('style');
  const media = element.getAttribute('media');
  if (media) {
    style.media = media;
  }
  const url = appUrl(element.getAttribute('href'));
  const text = element.textContent ?? '';
  element.remove();
  if (url) {
    style.textContent = await styleSheet(url).catch(() => '');
  } else if (element instanceof HTMLStyleElement) {
    style.textContent = mayHaveAddress(text) ? await rewriteCss(text, document.baseURI) : text;
  } else {
    return element; // of another origin: the browser refuses it, and the page hears of it
  }
  return style;
}

/** Runs a script to its end. One that can't be had is passed over, as a browser does; a module is not. */
async function run(script: HTMLScriptElement) {
  const src = script.getAttribute('src');
  const url = appUrl(src);
  if (src && !url) {
    report(`the script ${src}`);
    return;
  }
  if (script.type === 'module') {
    await (url ? runModule(url.href) : runModule(location.href, script.text));
    return;
  }
  const address = url
    ? await assetUrl(url).catch(() => '')
    : blobUrl(script.text, 'text/javascript');
  await new Promise<unknown>(done => {
    const running = document.createElement('script');
    running.onload = running.onerror = done;
    running.src = address;
    document.head.append(running);
    if (!address) {
      done(undefined);
    }
  });
}
