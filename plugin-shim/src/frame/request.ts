/** One HTTP request of the app, over the port. */
import type { Header, SentAhead } from '../tunnel/messages';
import { define } from './define';
import { forget, listen, post } from './port';
import { ORIGIN } from './url';

export interface AppRequest {
  readonly method?: string;
  readonly headers?: readonly Header[];
  readonly body?: ArrayBuffer;
  readonly signal?: AbortSignal;
  /** The number of this request where the page has sent it already. */
  readonly sent?: number;
}

/** How much of a body may lie here unread before the page is kept waiting, in bytes. */
const BUFFER = 256 * 1024;
/** Statuses whose answers have no body (Fetch, "null body status"). */
const NO_BODY = [101, 103, 204, 205, 304];
const BODY_READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'];

/**
 * Sends a request to the app. The answer's body is a stream, and comes no faster than it is read.
 *
 * @param path path and query.
 * @throws TypeError when no answer comes, the signal's reason when it was aborted: as fetch does.
 */
export function request(
  path: string,
  { method = 'GET', headers = [], body, signal, sent }: AppRequest = {}
): Promise<Response> {
  return new Promise((answer, reject) => {
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    let received = 0;
    let told = 0;

    const end = () => {
      forget(id);
      signal?.removeEventListener('abort', abort);
    };
    const cancel = () => {
      post({ t: 'cancel', id });
      end();
    };
    const fail = (error: unknown) => {
      reject(error);
      controller?.error(error);
    };
    const abort = () => {
      cancel();
      fail(signal?.reason);
    };

    const id = listen(message => {
      if (message.t === 'head') {
        const { status, statusText } = message;
        const headers = new Headers(message.headers as Header[]);
        let stream: ReadableStream = new ReadableStream<Uint8Array>(
          {
            start(own) {
              controller = own;
            },
            // Called when something was read, and there is room again.
            pull({ desiredSize }) {
              const consumed = received - (BUFFER - (desiredSize ?? 0));
              if (consumed > told) {
                post({ t: 'ack', id, bytes: consumed - told });
                told = consumed;
              }
            },
            cancel,
          },
          new ByteLengthQueuingStrategy({ highWaterMark: BUFFER })
        );
        if (headers.get('content-encoding') === 'gzip') {
          headers.delete('content-encoding');
          headers.delete('content-length');
          stream = stream.pipeThrough(new DecompressionStream('gzip'));
        }
        try {
          const none = method === 'HEAD' || NO_BODY.includes(status);
          const response = new Response(none ? null : stream, { status, statusText, headers });
          define(response, 'url', { value: ORIGIN + path });
          define(response, 'type', { value: 'basic' });
          if (signal) {
            keepReason(response, signal);
          }
          answer(response);
        } catch (error) {
          cancel();
          reject(error); // a status that no answer has
        }
      } else if (message.t === 'chunk') {
        received += message.data.byteLength;
        controller?.enqueue(new Uint8Array(message.data));
      } else if (message.t === 'end') {
        end();
        controller?.close();
      } else if (message.t === 'error') {
        end();
        fail(new TypeError(`Failed to fetch: ${message.message}`));
      }
    }, sent);

    if (signal?.aborted) {
      forget(id);
      reject(signal.reason);
      return;
    }
    signal?.addEventListener('abort', abort);
    if (!sent) {
      const all: Header[] = [...headers, ['accept-encoding', 'gzip']];
      post({ t: 'fetch', id, method, path, headers: all, body }, body ? [body] : []);
    }
  });
}

const ahead = new Map<string, Promise<Response | undefined>>();

/** Takes what the page has asked for. One that goes wrong is as if it hadn't been sent. */
export function expectAhead(requests: readonly SentAhead[]) {
  const good = (response: Response) => {
    if (response.ok) {
      return response;
    }
    response.body?.cancel();
    return undefined;
  };
  for (const { id, path } of requests) {
    const response = request(path, { sent: id });
    ahead.set(
      path,
      response.then(good, () => undefined)
    );
  }
}

/** The answer to what the page has asked for at this path, once; undefined where there is none. */
export async function takeAhead(path: string): Promise<Response | undefined> {
  const response = ahead.get(path);
  ahead.delete(path);
  return response;
}

/** Gives up what nobody has taken: unread, it would hold a connection. */
export function cancelAhead() {
  for (const path of [...ahead.keys()]) {
    takeAhead(path).then(response => response?.body?.cancel());
  }
}

/** Chromium makes a TypeError of whatever ends a stream; who aborts a fetch waits for an AbortError. */
function keepReason(response: Response, signal: AbortSignal) {
  for (const name of BODY_READERS) {
    const read: unknown = Reflect.get(response, name);
    if (typeof read === 'function') {
      define(response, name, {
        value: () =>
          read.call(response).catch((error: unknown) => {
            throw signal.aborted ? signal.reason : error;
          }),
      });
    }
  }
}
