/**
 * WebSockets to the API server of a cluster.
 *
 * Headlamp's `ApiProxy.stream` opens them: it alone knows the base URL, the desktop's token and how clusters
 * that exist only in this browser are named to the proxy. But it opens the socket some time after it was
 * called, tells nobody of it, says of a close neither code nor reason, and doesn't end a socket that it was
 * told to cancel before it was there. So the socket is waited for by `getSocket()`, and listened to here.
 */
import { ApiProxy } from './headlamp';

/** An open WebSocket, or one that will be. */
export interface HostSocket {
  /** Sends a frame; before `onOpen` and after the end nothing is sent. */
  send(data: string | Uint8Array): void;
  /** Ends it; none of the listeners is called any more. Safe to call twice. */
  close(): void;
  /** Bytes that were sent and have not left the browser. */
  readonly bufferedAmount: number;
}

/** What is told of a socket, in this order: `onOpen` once, messages, `onClose` once. */
export interface SocketListeners {
  readonly onOpen: () => void;
  readonly onMessage: (data: string | ArrayBuffer) => void;
  readonly onClose: (code: number, reason: string) => void;
}

/** A connection that ended without a closing frame, or never was (RFC 6455, 7.4.1). */
const ABNORMAL = 1006;
/** How often Headlamp is asked for the socket, in milliseconds: a database read takes about as long. */
const ASK_EVERY = 5;
/** When to give up on it, in milliseconds. */
const ASK_FOR = 30_000;

/**
 * Opens a WebSocket. Never throws: what goes wrong is a close. It isn't opened again when it ends, and
 * `onClose` is called exactly once, but never after `close()`.
 *
 * @param path path and query below the API server's root.
 * @param protocols subprotocols beside the one that Headlamp always offers (base64.binary.k8s.io).
 */
export function openSocket(
  cluster: string,
  path: string,
  protocols: string[],
  { onOpen, onMessage, onClose }: SocketListeners
): HostSocket {
  let stream: ReturnType<typeof ApiProxy.stream> | undefined;
  let socket: WebSocket | undefined;
  let opened = false;
  let over = false;

  const open = () => {
    if (!opened && !over) {
      opened = true;
      onOpen();
    }
  };
  const end = (code: number, reason: string) => {
    if (!over) {
      over = true;
      onClose(code, reason);
    }
  };

  /** Takes the socket once it is there, and closes it when it comes after the end. */
  const attach = () => {
    const found = socket ? null : stream?.getSocket();
    if (!found) {
      return;
    }
    socket = found;
    if (over) {
      socket.close();
      return;
    }
    socket.addEventListener('close', ({ code, reason }) => end(code, reason));
    if (socket.readyState === WebSocket.CONNECTING) {
      socket.addEventListener('open', open);
    } else if (socket.readyState === WebSocket.OPEN) {
      open();
    }
  };

  let askUntil = Date.now() + ASK_FOR;
  const ask = () => {
    attach();
    if (socket) {
      return;
    }
    if (Date.now() < askUntil) {
      setTimeout(ask, ASK_EVERY);
    } else {
      end(ABNORMAL, 'Headlamp opened no WebSocket');
    }
  };

  try {
    stream = ApiProxy.stream<string | ArrayBuffer>(
      path,
      data => {
        attach();
        open();
        if (!over) {
          onMessage(data);
        }
      },
      {
        cluster,
        isJson: false,
        additionalProtocols: protocols,
        reconnectOnFailure: false,
        failCb: () => {
          // A socket that is known tells its end itself, with code and reason.
          if (!socket) {
            askUntil = 0;
          }
        },
      }
    );
    setTimeout(ask);
  } catch (error) {
    queueMicrotask(() => end(ABNORMAL, String(error)));
  }

  return {
    send(data) {
      if (!over && socket?.readyState === WebSocket.OPEN) {
        socket.send(data);
      }
    },
    get bufferedAmount() {
      // What a closed one still says, it never sends.
      return socket && socket.readyState < WebSocket.CLOSED ? socket.bufferedAmount : 0;
    },
    close() {
      over = true;
      stream?.cancel();
      socket?.close();
    },
  };
}
