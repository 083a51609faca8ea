/**
 * The tunnel as the frame may expect it, over fetch to the test server: for tests of the frame by itself, without
 * a cluster. It has the same interface as the one of Rust, and a policy that is simple, but a policy.
 */
import type { Connector, Outlet, Tunnel } from '../../../plugin-shim/src/tunnel/engine';
import type { Answer, ToTunnel } from '../../../plugin-shim/src/tunnel/messages';

/** Where the test server has the app. */
const UPSTREAM = '/upstream';
/** How much of a body may be on its way to the frame unread. */
const WINDOW = 1 << 20;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const HEADERS = ['accept', 'content-type', 'last-event-id', 'range', 'x-requested-with'];
const MOST_STORED = 256 * 1024;

interface Fetch {
  readonly abort: AbortController;
  unread: number;
  wake: () => void;
}

export class ReferenceTunnel implements Tunnel {
  /** All that were made, oldest first. */
  static readonly all: ReferenceTunnel[] = [];
  readonly statistics = { requests: 0, refused: 0, sockets: 0 };
  isClosed = false;
  isFreed = false;
  private readonly fetches = new Map<number, Fetch>();
  private readonly sockets = new Map<number, WebSocket>();

  constructor(readonly connector: Connector, private readonly port: Outlet) {
    ReferenceTunnel.all.push(this);
    const [pod] = connector.pods();
    queueMicrotask(() => connector.told({ pod }));
  }

  static isPath(path: string): boolean {
    return /^\/(?!\/)[!-~]*$/.test(path) && !/\\|\/\.\.?(\/|$)|%(2f|5c|2e|00)/i.test(path);
  }

  static storable(key: string, value: string, stored: number): boolean {
    return stored + key.length + value.length <= MOST_STORED;
  }

  receive(message: unknown) {
    const { t, id } = Object(message) as Partial<ToTunnel>;
    if (typeof id !== 'number') {
      this.statistics.refused++;
      return;
    }
    const said = message as ToTunnel;
    const fetching = this.fetches.get(id);
    const socket = this.sockets.get(id);
    if (said.t === 'fetch') {
      this.fetch(said);
    } else if (said.t === 'cancel') {
      fetching?.abort.abort();
      fetching?.wake();
    } else if (said.t === 'ack' && fetching) {
      fetching.unread -= Number(said.bytes) || 0;
      fetching.wake();
    } else if (said.t === 'socket') {
      this.socket(said);
    } else if (said.t === 'socket-send') {
      if (socket?.readyState === WebSocket.OPEN) {
        socket.send(said.data);
      }
    } else if (said.t === 'socket-close') {
      socket?.close(said.code, said.reason);
    } else if (t !== 'ack') {
      this.statistics.refused++;
    }
  }

  close() {
    this.isClosed = true;
    this.fetches.forEach(({ abort }) => abort.abort());
    this.sockets.forEach(socket => socket.close());
  }

  free() {
    this.isFreed = true;
  }

  private tell(answer: Answer, transfer: Transferable[] = []) {
    if (!this.isClosed) {
      this.port.postMessage(answer, transfer);
    }
  }

  private async fetch({ id, method, path, headers, body }: ToTunnel & { readonly t: 'fetch' }) {
    if (!METHODS.includes(method) || !ReferenceTunnel.isPath(path)) {
      this.statistics.refused++;
      this.tell({ t: 'error', id, message: 'refused' });
      return;
    }
    this.statistics.requests++;
    const own: Fetch = { abort: new AbortController(), unread: 0, wake: () => {} };
    this.fetches.set(id, own);
    try {
      const response = await fetch(`${UPSTREAM}${path}`, {
        method,
        headers: headers.filter(([name]) => HEADERS.includes(name)),
        body,
        credentials: 'omit',
        signal: own.abort.signal,
      });
      const { statusText } = response;
      const status = Number(response.headers.get('x-upstream-status'));
      const kept = [...response.headers].filter(([name]) => !name.startsWith('x-upstream'));
      const encoding = response.headers.get('x-upstream-encoding');
      if (encoding) {
        kept.push(['content-encoding', encoding]);
      }
      this.tell({ t: 'head', id, status, statusText, headers: kept });
      const reader = response.body?.getReader();
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done || !value) {
          break;
        }
        own.unread += value.length;
        const data = value.slice().buffer;
        this.tell({ t: 'chunk', id, data }, [data]);
        while (own.unread > WINDOW && !own.abort.signal.aborted) {
          await new Promise<void>(resolve => (own.wake = resolve));
        }
      }
      this.tell({ t: 'end', id });
    } catch (error) {
      this.tell({ t: 'error', id, message: String(error) });
    }
    this.fetches.delete(id);
  }

  private socket({ id, path, protocols }: ToTunnel & { readonly t: 'socket' }) {
    if (!ReferenceTunnel.isPath(path)) {
      this.statistics.refused++;
      this.tell({ t: 'error', id, message: 'refused' });
      return;
    }
    this.statistics.sockets++;
    const address = `${location.origin.replace('http', 'ws')}${UPSTREAM}${path}`;
    const socket = new WebSocket(address, [...protocols]);
    socket.binaryType = 'arraybuffer';
    this.sockets.set(id, socket);
    socket.onopen = () => this.tell({ t: 'socket-open', id, protocol: socket.protocol });
    socket.onmessage = ({ data }) => this.tell({ t: 'socket-message', id, data });
    socket.onclose = ({ code, reason, wasClean }) => {
      this.sockets.delete(id);
      this.tell({ t: 'socket-closed', id, code, reason, clean: wasClean });
    };
  }
}
