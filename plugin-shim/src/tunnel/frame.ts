/**
 * One frame: an iframe of an opaque origin, and the handshake that gives its document a port.
 *
 * Always holds: the port goes to one document, the first that this iframe loads, before any script of the app
 * has run. Whatever loads after it (the app has set `location`, say) is another's: that is told at once, and
 * the iframe is to be removed.
 */
import type { Hello, Start, ToFrame } from './messages';

/** No popups: they lead data out, and what they open is sandboxed, too. No top navigation, no origin. */
const SANDBOX = 'allow-scripts allow-forms allow-downloads allow-modals';
/** How long the frame's document may take to answer a ping, in milliseconds. */
const PONG = 5000;

export interface FrameListeners {
  /** The document is ours and waits: what it is to start with. `port` is the page's end. */
  readonly onHello: (port: MessagePort) => Omit<Start, 't'>;
  /** The document is gone, is another, or does not answer. Called once. */
  readonly onLeft: () => void;
}

export class Frame {
  private readonly iframe = document.createElement('iframe');
  private port: MessagePort | undefined;
  private loads = 0;
  private pong: ReturnType<typeof setTimeout> | undefined;
  private isOver = false;

  /** @param url address of frame.html. */
  constructor(parent: HTMLElement, url: string, private readonly listeners: FrameListeners) {
    const { iframe } = this;
    iframe.setAttribute('sandbox', SANDBOX);
    iframe.allow = 'clipboard-write';
    iframe.referrerPolicy = 'no-referrer';
    iframe.title = 'Crossview';
    // Not the page's dark scheme, for which a frame of the other scheme would get a white ground.
    iframe.style.cssText = 'border:0;width:100%;height:100%;color-scheme:light';
    iframe.src = url;
    iframe.addEventListener('load', this.onLoad);
    window.addEventListener('message', this.onMessage);
    parent.append(iframe);
  }

  /** The document has answered a ping. */
  answered() {
    clearTimeout(this.pong);
  }

  /** It has gone, or is about to. */
  left() {
    if (!this.isOver) {
      this.remove();
      this.listeners.onLeft();
    }
  }

  /** Takes it away, with all that runs in it; nothing is told any more. */
  remove() {
    this.isOver = true;
    clearTimeout(this.pong);
    window.removeEventListener('message', this.onMessage);
    this.iframe.removeEventListener('load', this.onLoad);
    this.iframe.remove();
    this.port?.close();
  }

  private readonly onLoad = () => {
    if (++this.loads > 1) {
      this.left();
    } else {
      this.ping();
    }
  };

  private readonly onMessage = ({ source, origin, data }: MessageEvent<Partial<Hello> | null>) => {
    const { contentWindow } = this.iframe;
    if (source !== contentWindow || origin !== 'null' || data?.t !== 'crossview-hello') {
      return;
    }
    if (this.port || !contentWindow) {
      this.left(); // a second document that says what ours says
      return;
    }
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    // Told by browsers that know of it when the document goes, whatever its scripts do.
    port1.addEventListener('close', () => this.left());
    const start: Start = { t: 'crossview-start', ...this.listeners.onHello(port1) };
    // Any origin: an opaque one has no name. The window is the iframe's own.
    contentWindow.postMessage(start, '*', [port2]);
    this.ping();
  };

  /** Once it is loaded and has its port, in whichever order the page hears of the two. */
  private ping() {
    if (this.port && this.loads) {
      this.port.postMessage({ t: 'ping' } satisfies ToFrame);
      this.pong = setTimeout(() => this.left(), PONG);
    }
  }
}
