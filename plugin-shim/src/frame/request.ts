/** One HTTP request of the app, over the port. */
import type { Header } from '../tunnel/messages';
import { define } from './define';
import { forget, listen, post } from './port';
import { ORIGIN } from './url';

export interface AppRequest {
  readonly method?: string;
  readonly headers?: readonly Header[];
  readonly body?: ArrayBuffer;
  readonly signal?: AbortSignal;
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
  { method = 'GET', headers = [], body, signal }: AppRequest = {}
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
    });

    if (signal?.aborted) {
      forget(id);
      reject(signal.reason);
      return;
    }
    signal?.addEventListener('abort', abort);
    const all: Header[] = [...headers, ['accept-encoding', 'gzip']];
    post({ t: 'fetch', id, method, path, headers: all, body }, body ? [body] : []);
  });
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
