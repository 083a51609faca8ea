/** `WebSocket`, over the port. */
import { defineHandlers, defineStates } from './define';
import { forget, listen, post, report } from './port';
import { ORIGIN, pathOf, resolve } from './url';

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];
/** A connection that ended without a closing frame, or never was (RFC 6455, 7.4.1). */
const ABNORMAL = 1006;

class AppWebSocket extends EventTarget {
  readonly url: string;
  readonly extensions = '';
  readonly bufferedAmount = 0;
  protocol = '';
  binaryType: BinaryType = 'blob';
  readyState = CONNECTING;
  private readonly id: number;
  /** A Blob is read before it is sent, and what comes later waits for it. */
  private sent: Promise<void> | undefined;

  constructor(address: string | URL, protocols: string | string[] = []) {
    super();
    const url = resolve(address);
    if (!url || url.hash) {
      throw new DOMException(`The URL '${address}' is invalid.`, 'SyntaxError');
    }
    url.protocol = url.protocol.replace('http', 'ws');
    this.url = url.href;
    this.id = listen(answer => {
      if (answer.t === 'socket-open') {
        this.protocol = answer.protocol;
        this.readyState = OPEN;
        this.dispatchEvent(new Event('open'));
      } else if (answer.t === 'socket-message') {
        const isBlob = typeof answer.data !== 'string' && this.binaryType === 'blob';
        const data = isBlob ? new Blob([answer.data]) : answer.data;
        this.dispatchEvent(new MessageEvent('message', { data, origin: url.origin }));
      } else if (answer.t === 'socket-closed') {
        this.end(answer.code, answer.reason, answer.clean);
      } else if (answer.t === 'error') {
        this.end(ABNORMAL, '', false);
      }
    });
    if (url.origin === ORIGIN.replace('http', 'ws')) {
      post({ t: 'socket', id: this.id, path: pathOf(url), protocols: [protocols].flat() });
    } else {
      report(`WebSocket to ${url.origin}`);
      setTimeout(() => this.end(ABNORMAL, '', false));
    }
  }

  send(data: string | Blob | ArrayBuffer | ArrayBufferView) {
    if (this.readyState === CONNECTING) {
      throw new DOMException('Still in CONNECTING state.', 'InvalidStateError');
    }
    if (this.readyState !== OPEN) {
      return;
    }
    const { id } = this;
    const put = (data: string | ArrayBuffer) => post({ t: 'socket-send', id, data });
    if (data instanceof Blob || this.sent) {
      const ready = new Response(data as BodyInit).arrayBuffer();
      this.sent = Promise.all([ready, this.sent]).then(([bytes]) =>
        put(typeof data === 'string' ? data : bytes)
      );
    } else if (typeof data === 'string') {
      put(data);
    } else {
      const view = ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(data);
      put(view.slice().buffer);
    }
  }

  close(code?: number, reason?: string) {
    if (code !== undefined && code !== 1000 && (code < 3000 || code > 4999)) {
      throw new DOMException(`The close code ${code} is invalid.`, 'InvalidAccessError');
    }
    if (this.readyState < CLOSING) {
      this.readyState = CLOSING;
      post({ t: 'socket-close', id: this.id, code, reason });
    }
  }

  private end(code: number, reason: string, wasClean: boolean) {
    if (this.readyState !== CLOSED) {
      this.readyState = CLOSED;
      forget(this.id);
      if (!wasClean) {
        this.dispatchEvent(new Event('error'));
      }
      this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean }));
    }
  }
}

export function installWebSocket() {
  defineStates(AppWebSocket, ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']);
  defineHandlers(AppWebSocket, ['open', 'message', 'error', 'close']);
  Object.assign(window, { WebSocket: AppWebSocket });
}
