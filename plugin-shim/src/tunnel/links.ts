/** Links that lead out of the app: the frame has no popups, so the page opens them. */

/**
 * Opens a link of the app in a new tab that knows nothing of this page.
 *
 * Only http and https, and nothing of Headlamp's own: there a link would act with the user's rights. Only
 * while the user's last click or key is fresh, which the frame can't make up.
 *
 * @returns whether it was opened.
 */
export function openLink(address: unknown): boolean {
  let url: URL;
  try {
    url = new URL(String(address));
  } catch {
    return false;
  }
  if (
    !/^https?:$/.test(url.protocol) ||
    url.origin === location.origin ||
    navigator.userActivation?.isActive === false
  ) {
    return false;
  }
  window.open(url.href, '_blank', 'noopener,noreferrer');
  return true;
}
