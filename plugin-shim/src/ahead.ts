/**
 * Loads the page before it is asked for, where that is likely: when the sidebar entry is pointed at or has
 * the focus, and when the browser rests, if it has opened the page before. Nobody else pays for it.
 */
import { load } from './load';
import { OPENED_BEFORE } from './opened';

/** An error while loading ahead is nobody's business: opening the page tries again and shows it. */
function ahead() {
  load().catch(() => {});
}

/**
 * Watches the links of Headlamp's sidebar that lead to `path`, and loads the page in time. The sidebar is a
 * drawer; on a narrow screen it is drawn outside of the navigation landmark.
 */
export function loadAhead(path: string) {
  for (const event of ['pointerover', 'focusin']) {
    document.addEventListener(event, ({ target }) => {
      // The document itself can be the target, and knows no `closest`.
      if ((target as Partial<Element>).closest?.(`.MuiDrawer-root a[href$="${path}"]`)) {
        ahead();
      }
    });
  }
  try {
    if (localStorage.getItem(OPENED_BEFORE)) {
      (window.requestIdleCallback ?? setTimeout)(ahead);
    }
  } catch {
    // No storage (a browser setting): then no visit is remembered either.
  }
}
