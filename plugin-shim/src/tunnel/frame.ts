/**
 * One frame: an iframe of an opaque origin, and the port that is given to its document.
 *
 * Always holds: the port goes to one document, the first that this iframe loads, before any script of the app
 * has run. Whatever loads after it (the app has set `location`, say) is another's: the document says so as it
 * goes, the browser when the next one is loaded, and one that never ends loading doesn't answer; the iframe is
 * to be removed.
 */
import type { Place } from '../page/place';
import type { Start, ToFrame } from './messages';

/** How often the document is asked whether it is still ours, in milliseconds. */
const PING = 1000;
/** How often it may not answer: at first, when it has nothing else to do; and later, when an app may be busy. */
const MOST_MISSED_FIRST = 5;
const MOST_MISSED = 10;

export interface FrameListeners {
  /** The document is loaded: what it is to start with. */
  readonly onLoaded: () => Omit<Start, 't'>;
  /** It does not answer, so it isn't ours: an error of whoever serves it, say. Called once, and then nothing is. */
  readonly onSilent: () => void;
  /** It is gone, or is another. Called once, and then nothing is. */
  readonly onLeft: () => void;
}

export class Frame {
  /** The page's end. What is posted to it waits until the document is there. */
  readonly port: MessagePort;
  private readonly theirs: MessagePort;
  private pinging: ReturnType<typeof setInterval> | undefined;
  /** Pings in a row without an answer. Counted, not timed: a computer that slept has sent none. */
  private missed = 0;
  private hasAnswered = false;
  private isOver = false;

  constructor(private readonly place: Place, private readonly listeners: FrameListeners) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.theirs = port2;
    place.iframe.title = 'Crossview';
    place.onLoad = () => this.loaded();
    // Told by browsers that know of it when the document goes, whatever its scripts do.
    port1.addEventListener('close', () => this.left());
  }

  /** Gives the document its port, once it is loaded. */
  begin() {
    if (this.place.loads) {
      this.loaded();
    }
  }

  /** The document has answered a ping. */
  answered() {
    this.hasAnswered = true;
    this.missed = 0;
  }

  /** It has gone, or is about to. */
  left() {
    this.end(this.listeners.onLeft);
  }

  /** Takes it away, with all that runs in it; nothing is told any more. */
  remove() {
    this.isOver = true;
    clearInterval(this.pinging);
    this.place.onLoad = () => {};
    this.place.iframe.remove();
    this.port.close();
    this.theirs.close();
  }

  private end(tell: () => void) {
    if (!this.isOver) {
      this.remove();
      tell();
    }
  }

  private loaded() {
    const { contentWindow } = this.place.iframe;
    if (this.place.loads > 1 || !contentWindow) {
      this.left();
      return;
    }
    const start: Start = { t: 'crossview-start', ...this.listeners.onLoaded() };
    // Any origin: an opaque one has no name. The window is the iframe's own.
    contentWindow.postMessage(start, '*', [this.theirs]);
    this.ping();
    this.pinging = setInterval(() => this.ping(), PING);
  }

  private ping() {
    const { hasAnswered, listeners } = this;
    if (this.missed++ === (hasAnswered ? MOST_MISSED : MOST_MISSED_FIRST)) {
      this.end(hasAnswered ? listeners.onLeft : listeners.onSilent);
    } else {
      this.port.postMessage({ t: 'ping' } satisfies ToFrame);
    }
  }
}
