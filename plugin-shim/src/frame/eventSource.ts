/** `EventSource`, by fetch (HTML, "Server-sent events"). */
import { defineHandlers, defineStates } from './define';
import { ORIGIN, resolve } from './url';

const [CONNECTING, OPEN, CLOSED] = [0, 1, 2];

class AppEventSource extends EventTarget {
  readonly url: string;
  readonly withCredentials = false;
  readyState = CONNECTING;
  private readonly stop = new AbortController();
  private retry = 3000;
  private lastId = '';

  constructor(url: string | URL) {
    super();
    this.url = resolve(url)?.href ?? '';
    this.connect();
  }

  close() {
    this.readyState = CLOSED;
    this.stop.abort();
  }

  private async connect() {
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (this.lastId) {
        headers['last-event-id'] = this.lastId;
      }
      const {
        ok,
        body,
        headers: got,
      } = await fetch(this.url, {
        headers,
        cache: 'no-store',
        signal: this.stop.signal,
      });
      if (ok && body && /event-stream/.test(got.get('content-type') ?? '')) {
        this.readyState = OPEN;
        this.dispatchEvent(new Event('open'));
        await this.read(body);
      } else {
        this.readyState = CLOSED; // such an answer is not asked for again
      }
    } catch {
      // No answer, or the end of one: asked for again.
    }
    if (this.stop.signal.aborted) {
      return;
    }
    if (this.readyState !== CLOSED) {
      this.readyState = CONNECTING;
      setTimeout(() => this.readyState === CONNECTING && this.connect(), this.retry);
    }
    this.dispatchEvent(new Event('error'));
  }

  private async read(body: ReadableStream<Uint8Array>) {
    const reader = body.pipeThrough(new TextDecoderStream() as TransformStream).getReader();
    let rest = '';
    let data: string[] = [];
    let type = 'message';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      const lines: string[] = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [, field, text = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
        if (!line) {
          if (data.length) {
            const init = { data: data.join('\n'), lastEventId: this.lastId, origin: ORIGIN };
            this.dispatchEvent(new MessageEvent(type, init));
          }
          data = [];
          type = 'message';
        } else if (field === 'data') {
          data.push(text);
        } else if (field === 'event') {
          type = text || 'message';
        } else if (field === 'id') {
          this.lastId = text;
        } else if (field === 'retry' && /^\d+$/.test(text)) {
          this.retry = Number(text);
        }
      }
    }
  }
}

export function installEventSource() {
  defineStates(AppEventSource, ['CONNECTING', 'OPEN', 'CLOSED']);
  defineHandlers(AppEventSource, ['open', 'message', 'error']);
  Object.assign(window, { EventSource: AppEventSource });
}
