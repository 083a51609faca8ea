/**
 * Asks the app for what its document will need first, before the frame can: the document itself, and the scripts
 * and style sheets that it names, as a browser's own preload scanner does.
 *
 * What the app answers goes to the frame, and is only looked at here: whatever stands in it, all that can come of
 * it is another GET to the app, which the tunnel's policy looks at as it does at the frame's own.
 */
import type { Answer, Header, SentAhead, ToTunnel } from './messages';

/** How much of a document is looked at, in UTF-16 units. */
const MOST = 64 * 1024;
/** How many files are asked for. */
const MOST_FILES = 16;
/** A script, or a link, with its attributes. Read in one go, whatever stands there. */
const TAG = /<(script|link)\b([^<>]*)>/gi;
const ADDRESS = /\s(?:src|href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/i;
const LOADED = /\srel\s*=\s*["']?(?:stylesheet|modulepreload)\b/i;
/** As the frame asks for files; frame/request.ts. */
const FILE: readonly Header[] = [['accept-encoding', 'gzip']];
/** Nothing to undo before the document can be looked at. */
const DOCUMENT: readonly Header[] = [['accept', 'text/html']];

/** The files that a document at `path` loads by itself: paths and queries. */
export function filesOf(html: string, path: string): string[] {
  const base = new URL(path, 'http://app');
  const found = new Set<string>();
  if (/<base\b/i.test(html)) {
    return []; // nothing is where it seems to be
  }
  for (const [, tag = '', attributes = ''] of html.matchAll(TAG)) {
    const address = ADDRESS.exec(attributes)?.slice(1).find(Boolean);
    if (address && (tag.toLowerCase() === 'script' || LOADED.test(attributes))) {
      const url = resolve(address, base);
      if (url?.origin === base.origin) {
        found.add(url.pathname + url.search);
      }
    }
  }
  found.delete(base.pathname + base.search);
  return [...found].slice(0, MOST_FILES);
}

function resolve(address: string, base: URL): URL | undefined {
  try {
    return new URL(address, base);
  } catch {
    return undefined;
  }
}

export class Ahead {
  private readonly requests: SentAhead[] = [];
  private readonly decoder = new TextDecoder();
  private html: string | undefined;

  /** @param ask takes a request as the tunnel takes the frame's. */
  constructor(private readonly path: string, private readonly ask: (request: ToTunnel) => void) {}

  /** Asks for the document. */
  begin() {
    this.get(this.path.split('#')[0] ?? '', DOCUMENT);
  }

  /** Looks at an answer that is on its way to the frame. */
  see(answer: Answer) {
    if (answer.id !== 1 || !this.requests.length) {
      return;
    }
    if (answer.t === 'head') {
      const type = answer.headers.find(([name]) => name.toLowerCase() === 'content-type');
      this.html = answer.status === 200 && /html/.test(type?.[1] ?? '') ? '' : undefined;
    } else if (answer.t === 'chunk' && this.html !== undefined && this.html.length < MOST) {
      const text = this.decoder.decode(answer.data, { stream: true });
      this.html = (this.html + text).slice(0, MOST);
    } else if (answer.t === 'end' && this.html !== undefined) {
      filesOf(this.html, this.path).forEach(file => this.get(file, FILE));
    }
  }

  /** The requests so far; from now on the frame asks. */
  end(): SentAhead[] {
    return this.requests.splice(0);
  }

  private get(path: string, headers: readonly Header[]) {
    const id = this.requests.length + 1;
    this.requests.push({ id, path });
    this.ask({ t: 'fetch', id, method: 'GET', path, headers });
  }
}
