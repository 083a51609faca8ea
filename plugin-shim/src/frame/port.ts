/** The port to the page: the frame's only way out. */
import type { Answer, ToFrame, ToPage } from '../tunnel/messages';

/** As they were before the app could put others in their places. */
const { apply } = Reflect;
const { postMessage } = MessagePort.prototype;

let port: MessagePort;
let newest = 0;
const listeners = new Map<number, (answer: Answer) => void>();
const reported = new Set<string>();

/** Takes the port that the page has handed over. */
export function connect(to: MessagePort) {
  port = to;
  port.onmessage = ({ data }: MessageEvent<ToFrame>) => {
    if (data.t === 'ping') {
      post({ t: 'pong' });
    } else {
      listeners.get(data.id)?.(data);
    }
  };
}

export function post(message: ToPage, transfer: Transferable[] = []) {
  apply(postMessage, port, [message, transfer]);
}

/**
 * Has the answers to `id` go to `listener` until it is forgotten.
 *
 * @param id a new one, if none is given; the page's own come before any other.
 */
export function listen(listener: (answer: Answer) => void, id = newest + 1): number {
  newest = id;
  listeners.set(id, listener);
  return id;
}

export function forget(id: number) {
  listeners.delete(id);
}

/** Tells the page, once, what the app needs and can't have here. */
export function report(message: string) {
  if (!reported.has(message)) {
    reported.add(message);
    post({ t: 'failed', message, fatal: false });
  }
}
