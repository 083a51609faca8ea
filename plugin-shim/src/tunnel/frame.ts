/**
 * One frame: an iframe of an opaque origin, and the port that is given to its document.
 *
 * Always holds: the port goes to one document, the first that this iframe loads, which has said that it is ours
 * before any script of the app has run. Whatever loads after it (the app has set `location`, say) is another's:
 * the document says so as it goes, the browser when the next one is loaded, and one that never ends loading
 * doesn't answer; the iframe is to be removed.
 */
import type { Place } from '../page/place';
import { ASK, HELLO, Start, ToFrame } from './messages';

/** How often the document is asked whether it is still ours, in milliseconds. */
const PING = 1000;
/** How often it may not answer: at first, when it has nothing else to do; and later, when an app may be busy. */
const MOST_MISSED_FIRST = 5;
const MOST_MISSED = 10;
/** How often more, while the user reads a dialog. */
const IN_DIALOG = 600;

export interface FrameListeners {
  /** The document is there, and it is to begin: with what. */
  readonly onBegin: () => Omit<Start, 't'>;
  /** What was loaded is not ours, or doesn't begin. Called once, and then nothing is. */
  readonly onSilent: () => void;
  /** It is gone, or is another. Called once, and then nothing is. */
  readonly onLeft: () => void;
}

export class Frame {
  /** The page's end. What is posted to it waits until the document has the other. */
  readonly port: MessagePort;
  private theirs: MessagePort | undefined;
  private readonly pinging: ReturnType<typeof setInterval>;
  /** Pings in a row without an answer. Counted, not timed: a computer that slept has sent none. */
  private missed = 0;
  private mayBegin = false;
  private isOurs = false;
  private hasAnswered = false;
  private isOver = false;

  constructor(private readonly place: Place, private readonly listeners: FrameListeners) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.theirs = port2;
    this.pinging = setInterval(() => this.ping(), PING);
    place.iframe.title = 'Crossview';
    place.onLoad = () => this.ask();
    addEventListener('message', this.onMessage);
    // Told by browsers that know of it when the document goes, whatever its scripts do.
    port1.addEventListener('close', () => this.left());
  }

  /** Looks at what is loaded already; the listeners may be called at once. */
  watch() {
    if (this.place.loads) {
      this.ask();
    }
  }

  /** Gives the document its port, now or when it is there. */
  begin() {
    this.mayBegin = true;
    this.start();
  }

  /** The document has answered a ping. */
  answered() {
    this.hasAnswered = true;
    this.missed = 0;
  }

  /** A dialog of the browser's keeps it from answering, once. */
  inDialog() {
    this.missed = -IN_DIALOG;
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
    removeEventListener('message', this.onMessage);
    this.place.iframe.remove();
    this.port.close();
    this.theirs?.close();
  }

  private end(tell: () => void) {
    if (!this.isOver) {
      this.remove();
      tell();
    }
  }

  private readonly onMessage = ({ source, origin, data }: MessageEvent<unknown>) => {
    const isFrame = source === this.place.iframe.contentWindow && origin === 'null';
    if (isFrame && data === HELLO && this.place.loads === 1) {
      this.isOurs = true;
      this.start();
    }
  };

  /** Asks a document that was loaded whether it is ours; only the first can be. */
  private ask() {
    if (this.place.loads > 1) {
      this.left();
    } else {
      // Any origin: an opaque one has no name, and there is nothing in this word.
      this.place.iframe.contentWindow?.postMessage(ASK, '*');
    }
  }

  private start() {
    const { place, theirs } = this;
    if (theirs && this.mayBegin && this.isOurs && !this.isOver) {
      this.theirs = undefined;
      const start: Start = { t: 'crossview-start', ...this.listeners.onBegin() };
      place.iframe.contentWindow?.postMessage(start, '*', [theirs]);
      this.missed = 0;
      this.ping();
    }
  }

  private ping() {
    const { hasAnswered, isOurs, listeners, place, theirs } = this;
    // While it is loaded, and when it is ours and waits, it has nothing to answer.
    if (theirs && (isOurs || !place.loads)) {
      return;
    }
    if (this.missed++ === (hasAnswered ? MOST_MISSED : MOST_MISSED_FIRST)) {
      this.end(hasAnswered ? listeners.onLeft : listeners.onSilent);
    } else if (!theirs) {
      this.port.postMessage({ t: 'ping' } satisfies ToFrame);
    }
  }
}
