/**
 * What the page and the frame say to each other: one handshake by window messages, then everything by one port.
 *
 * The frame's side is at the mercy of the app that runs in it: what these types promise holds for what the
 * frame gets, never for what the page gets.
 */

/** A header's name and value. */
export type Header = [name: string, value: string];

/** The page's question to the frame's window, once a document is loaded there: whether it is ours. */
export const ASK = 'crossview-ask';
/** Our document's answer, to its parent window. */
export const HELLO = 'crossview-hello';

/** A request that the page has sent to the app for the frame, before the frame's document could do so. */
export interface SentAhead {
  /** As if the frame had sent it: its answer comes by the port. */
  readonly id: number;
  /** Path and query. */
  readonly path: string;
}

/** The page's word to the frame's window, when Crossview is to be shown; the port is transferred with it. */
export interface Start {
  readonly t: 'crossview-start';
  /** Where the app begins: path, query and fragment. */
  readonly path: string;
  /** What the app's localStorage holds. */
  readonly localStorage: Readonly<Record<string, string>>;
  /** What was asked for already; the frame's own numbers are above these. */
  readonly ahead: readonly SentAhead[];
}

/** Frame to page, meant for the tunnel: requests and sockets of the app. `id` rises with each of them. */
export type ToTunnel =
  | {
      readonly t: 'fetch';
      readonly id: number;
      readonly method: string;
      /** Path and query. */
      readonly path: string;
      readonly headers: readonly Header[];
      readonly body?: ArrayBuffer;
    }
  | { readonly t: 'cancel'; readonly id: number }
  /** So many more bytes of a body are consumed. */
  | { readonly t: 'ack'; readonly id: number; readonly bytes: number }
  | {
      readonly t: 'socket';
      readonly id: number;
      readonly path: string;
      readonly protocols: readonly string[];
    }
  | { readonly t: 'socket-send'; readonly id: number; readonly data: string | ArrayBuffer }
  | {
      readonly t: 'socket-close';
      readonly id: number;
      readonly code?: number;
      readonly reason?: string;
    };

/** Frame to page, meant for the page's own half. */
export type ToViewer =
  /** localStorage has changed; null removes. */
  | { readonly t: 'store'; readonly key: string; readonly value: string | null }
  /** The app is at this path (with query and fragment) now. */
  | { readonly t: 'navigated'; readonly path: string; readonly title: string }
  /** The app wants its document loaded anew at this path. */
  | { readonly t: 'restart'; readonly path: string }
  /** A link that leads out of the app. */
  | { readonly t: 'open'; readonly url: string }
  /** The app's own scripts have run. */
  | { readonly t: 'ready' }
  /** What the app needs and the frame hasn't, or (`fatal`) why the app could not start. */
  | { readonly t: 'failed'; readonly message: string; readonly fatal: boolean }
  | { readonly t: 'pong' }
  /** A dialog of the browser's comes, and nothing of the frame runs until the user has answered it. */
  | { readonly t: 'modal' }
  /** The document goes away. */
  | { readonly t: 'unload' };

export type ToPage = ToTunnel | ToViewer;

/** Page to frame, about one request or socket. */
export type Answer =
  | {
      readonly t: 'head';
      readonly id: number;
      readonly status: number;
      readonly statusText: string;
      readonly headers: readonly Header[];
    }
  | { readonly t: 'chunk'; readonly id: number; readonly data: ArrayBuffer }
  | { readonly t: 'end'; readonly id: number }
  | { readonly t: 'error'; readonly id: number; readonly message: string }
  | { readonly t: 'socket-open'; readonly id: number; readonly protocol: string }
  | { readonly t: 'socket-message'; readonly id: number; readonly data: string | ArrayBuffer }
  | {
      readonly t: 'socket-closed';
      readonly id: number;
      readonly code: number;
      readonly reason: string;
      readonly clean: boolean;
    };

export type ToFrame = Answer | { readonly t: 'ping' };
