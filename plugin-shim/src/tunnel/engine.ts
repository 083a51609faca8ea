/** The tunnel's WebAssembly (tunnel/ in this repository), as this half sees it. */

import type { Answer } from './messages';

/** A WebSocket to the API server. */
export interface PodSocket {
  send(data: Uint8Array): void;
  close(): void;
  /** Bytes that were sent and have not left the browser. */
  readonly bufferedAmount: number;
}

/** What the tunnel is lent: a way to the pods of the app. */
export interface Connector {
  /** As `Host.socket` in page/host.ts. */
  socket(
    path: string,
    protocols: string[],
    onOpen: () => void,
    onMessage: (data: string | ArrayBuffer) => void,
    onClose: (code: number, reason: string) => void
  ): PodSocket;
  /** Names of the app's ready pods, best first. */
  pods(): string[];
  /** As setTimeout; clearTimeout takes what it returns. */
  later(callback: () => void, milliseconds: number): unknown;
  readonly namespace: string;
  readonly containerPort: number;
  /** The app's name among all that this page ever opens; tunnels with the same one share what they keep. */
  readonly app: string;
  /** Which pod is in use, or what is wrong. */
  told(state: { readonly pod?: string; readonly trouble?: string }): void;
}

/** Where the tunnel's answers go. */
export interface Outlet {
  postMessage(answer: Answer, transfer: Transferable[]): void;
}

/** Answers what comes out of one port. It alone decides what the frame may ask for. */
export interface Tunnel {
  /** One message of the frame; a malformed one is dropped. */
  receive(message: unknown): void;
  /** Ends all its connections. */
  close(): void;
  /** Releases the WebAssembly's memory for it; it is not to be used any more. */
  free(): void;
}

export interface TunnelClass {
  new (connector: Connector, outlet: Outlet): Tunnel;
  /** Whether the app can be at this path, with its query and fragment. */
  isPath(path: string): boolean;
  /** Whether the app may keep this entry beside `stored` UTF-16 units in its others. */
  storable(key: string, value: string, stored: number): boolean;
}

/** wasm-bindgen's glue: a function that starts the WebAssembly, with its exports as properties. */
export interface TunnelGlue {
  (source: { module_or_path: Response }): Promise<unknown>;
  readonly Tunnel: TunnelClass;
}
