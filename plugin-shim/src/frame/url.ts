/** The app's addresses. To the app, this document's origin is its own, so everything at that origin is the app. */

/** Not `self.origin`, which is "null" here. */
export const ORIGIN = location.origin;

/** `url` made absolute; undefined when it is none. */
export function resolve(url: string | URL, base = document.baseURI): URL | undefined {
  try {
    return new URL(url, base);
  } catch {
    return undefined;
  }
}

/** `url` made absolute, if the app is behind it. A fragment of this very document is not loaded from anywhere. */
export function appUrl(url: string | URL | null, base?: string): URL | undefined {
  const found = url && `${url}`[0] !== '#' ? resolve(url, base) : undefined;
  return found?.origin === ORIGIN ? found : undefined;
}

export function pathOf({ pathname, search }: URL | Location): string {
  return pathname + search;
}
