/**
 * What a document of an opaque origin can't have. The browser refuses it one way or another; here the page
 * hears of it by name, so that an app that needs more than it used to is noticed.
 */
import { define } from './define';
import { post, report } from './port';
import { ORIGIN } from './url';

/** Directives for addresses that elements.ts and css.ts replace after the browser has refused them. */
const REPLACED = /^(img|font|media|style|script)-src/;

export function installUnavailable() {
  const refused = (name: string) => () => {
    report(name);
    return Promise.reject(new DOMException(`no ${name} here`, 'SecurityError'));
  };
  const native: ReadonlyArray<readonly [object | undefined, string, string]> = [
    [window.IDBFactory?.prototype, 'open', 'indexedDB'],
    [window.LockManager?.prototype, 'request', 'navigator.locks'],
  ];
  for (const [prototype, name, feature] of native) {
    const call: unknown = prototype && Reflect.get(prototype, name);
    if (prototype && typeof call === 'function') {
      define(prototype, name, {
        value(...given: unknown[]) {
          report(feature);
          return call.apply(this, given);
        },
      });
    }
  }
  for (const name of ['Worker', 'SharedWorker'] as const) {
    define(window, name, {
      value: new Proxy(window[name], {
        construct(native, [url, options]: ConstructorParameters<typeof Worker>) {
          if (!/^(blob|data):/.test(`${url}`) || options?.type === 'module') {
            report(name);
          }
          return new native(url, options);
        },
      }),
    });
  }
  // Its connections pass by the policy's connect-src.
  for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection', 'RTCDataChannel']) {
    Reflect.deleteProperty(window, name);
  }
  // The page waits for an answer longer than for an app that hangs.
  for (const name of ['alert', 'confirm', 'print', 'prompt'] as const) {
    const call = window[name];
    define(window, name, {
      value(...given: unknown[]) {
        post({ t: 'modal' });
        return Reflect.apply(call, window, given);
      },
    });
  }
  const caches = refused('caches');
  define(window, 'caches', { value: { open: caches, match: caches, has: caches, keys: caches } });
  // An app that finds none does without, as on a page without https.
  Reflect.deleteProperty(Navigator.prototype, 'serviceWorker');
  document.addEventListener('securitypolicyviolation', ({ blockedURI, effectiveDirective }) => {
    if (!blockedURI.startsWith(ORIGIN) || !REPLACED.test(effectiveDirective)) {
      report(`${effectiveDirective}: ${blockedURI.slice(0, 200)}`);
    }
  });
}
