/**
 * The Rust page's WebAssembly: started once, and shown on one element at a time.
 *
 * Always holds: after a trap (a panic in Rust ends in one) nothing of it is called again, since its state is
 * undefined from then on; the route's "Try again" makes a new engine.
 */
import type { Host } from './host';

/** What the Rust page gives back; `free` releases the WebAssembly's memory for it. */
export interface Mounted {
  unmount(): void;
  free(): void;
}

/** wasm-bindgen's glue: a function that starts the WebAssembly, with its exports as properties. */
export interface Glue {
  (source: { module_or_path: Response }): Promise<unknown>;
  mount(element: HTMLElement, host: Host): Mounted;
}

export class Engine {
  private stopped: Error | undefined;

  private constructor(private readonly glue: Glue) {}

  /**
   * Compiles the WebAssembly while it arrives; the glue takes the longer way where its MIME type forbids that.
   *
   * @throws when it can't be compiled or started.
   */
  static async start(glue: Glue, wasm: Response): Promise<Engine> {
    await glue({ module_or_path: wasm });
    return new Engine(glue);
  }

  /**
   * Shows the page on an element.
   *
   * @param onStopped called when the page has trapped, at once or later.
   * @returns what takes the page away again and frees it.
   */
  show(element: HTMLElement, host: Host, onStopped: (error: Error) => void): () => void {
    const stop = (cause: unknown) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      this.stopped = Object.assign(new Error(message), { name: 'Its page has stopped' });
      onStopped(this.stopped);
    };
    // A trap in an event listener or a promise reaches nobody but the window.
    const onError = ({ error }: ErrorEvent) => {
      if (error instanceof WebAssembly.RuntimeError) {
        stop(error);
      }
    };
    const onRejection = ({ reason }: PromiseRejectionEvent) => {
      if (reason instanceof WebAssembly.RuntimeError) {
        stop(reason);
      }
    };

    if (this.stopped) {
      onStopped(this.stopped);
      return () => {};
    }
    window.addEventListener('error', onError);
    window.addEventListener('unhandledrejection', onRejection);
    let mounted: Mounted | undefined;
    try {
      mounted = this.glue.mount(element, host);
    } catch (error) {
      stop(error);
    }
    return () => {
      window.removeEventListener('error', onError);
      window.removeEventListener('unhandledrejection', onRejection);
      if (this.stopped) {
        return;
      }
      try {
        mounted?.unmount();
        mounted?.free();
      } catch (error) {
        stop(error);
      }
    };
  }
}
