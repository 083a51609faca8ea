/** Style sheets: the app's addresses in them are replaced by blob: URLs. */
import { assetUrl, blobUrl } from './assets';
import { getFile } from './fetch';
import { appUrl } from './url';

/** An @import with what follows its address, or a url(). */
const ADDRESS =
  /@import\s+(?:url\(\s*)?(["']?)([^"')\s;]+)\1\s*\)?([^;]*);|url\(\s*(?:"([^"]*)"|'([^']*)'|([^"')\s]+))\s*\)/gi;
/** How many style sheets import each other, one below the other, before it is taken for a circle. */
const DEEPEST = 8;

export function mayHaveAddress(text: string | null): boolean {
  return /url\(|@import/i.test(text ?? '');
}

/** The text with every address of the app that can be had replaced; the others stay as they are. */
export async function rewriteCss(text: string, base: string, depth = 0): Promise<string> {
  const replaced = [...text.matchAll(ADDRESS)].map(async match => {
    const [whole, , imported, conditions = '', ...addresses] = match;
    const url = appUrl(imported ?? addresses.find(Boolean) ?? '', base);
    if (!url || depth > DEEPEST) {
      return whole;
    }
    try {
      return imported
        ? `@import "${blobUrl(await styleSheet(url, depth + 1), 'text/css')}"${conditions};`
        : `url("${await assetUrl(url)}")`;
    } catch {
      return whole; // the browser refuses it, and paints without it
    }
  });
  const parts = await Promise.all(replaced);
  return text.replace(ADDRESS, () => parts.shift() ?? '');
}

/**
 * The text of a style sheet of the app, rewritten.
 *
 * @throws TypeError when it isn't there.
 */
export async function styleSheet(url: URL, depth = 0): Promise<string> {
  return rewriteCss(await (await getFile(url)).text(), url.href, depth);
}

/** Rewrites declarations in place; what was changed meanwhile is left alone. */
export function rewriteDeclarations(style: CSSStyleDeclaration) {
  for (const name of [...style]) {
    const value = style.getPropertyValue(name);
    if (mayHaveAddress(value)) {
      rewriteCss(value, document.baseURI).then(rewritten => {
        if (rewritten !== value && style.getPropertyValue(name) === value) {
          style.setProperty(name, rewritten, style.getPropertyPriority(name));
        }
      });
    }
  }
}
