/** The port to the page: the frame's only way out. */
import type { Answer, ToFrame, ToPage } from '../tunnel/messages';

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
  port.postMessage(message, transfer);
}

/** A new id, whose answers go to `listener` until it is forgotten. */
export function listen(listener: (answer: Answer) => void): number {
  listeners.set(++newest, listener);
  return newest;
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
