/** Files of the app as blob: URLs, which are all that elements and style sheets may load here. */
import { getFile } from './fetch';

const urls = new Map<string, Promise<string>>();

export function blobUrl(content: BlobPart, type: string): string {
  return URL.createObjectURL(new Blob([content], { type }));
}

/**
 * A blob: URL of the file, with the fragment that was asked for. The same file is fetched once.
 *
 * @throws TypeError when it isn't there.
 */
export async function assetUrl(url: URL): Promise<string> {
  const file = url.href.split('#')[0] ?? '';
  let made = urls.get(file);
  if (!made) {
    made = getFile(url).then(async response =>
      blobUrl(await response.arrayBuffer(), response.headers.get('content-type') ?? '')
    );
    urls.set(file, made);
    made.catch(() => urls.delete(file));
  }
  return (await made) + url.hash;
}
