/** `XMLHttpRequest`, by fetch. It tells of no progress before the end, and does not wait synchronously. */
import { defineHandlers, defineStates } from './define';
import { report } from './port';
import { resolve } from './url';

class AppRequest extends EventTarget {
  readyState = 0;
  status = 0;
  statusText = '';
  response: unknown = '';
  responseText = '';
  responseType = '';
  responseURL = '';
  responseXML: Document | null = null;
  timeout = 0;
  withCredentials = false;
  readonly upload = new EventTarget();
  private method = 'GET';
  private headers = new Headers();
  private type = '';
  private answer: Response | undefined;
  private stop: AbortController | undefined;

  open(method: string, url: string | URL, async = true) {
    const absolute = resolve(url);
    if (!async || !absolute) {
      report(async ? `XMLHttpRequest to ${url}` : 'synchronous XMLHttpRequest');
      throw new DOMException('not available', 'NotSupportedError');
    }
    this.stop?.abort('abort');
    this.method = method.toUpperCase();
    this.responseURL = absolute.href;
    this.headers = new Headers();
    this.answer = undefined;
    this.turn(1);
  }

  setRequestHeader(name: string, value: string) {
    this.headers.append(name, value);
  }

  overrideMimeType(type: string) {
    this.type = type;
  }

  getResponseHeader(name: string): string | null {
    return this.answer?.headers.get(name) ?? null;
  }

  getAllResponseHeaders(): string {
    return [...(this.answer?.headers ?? [])].map(([k, v]) => `${k}: ${v}\r\n`).join('');
  }

  abort() {
    this.stop?.abort('abort');
  }

  async send(body?: XMLHttpRequestBodyInit | null) {
    const { method, headers } = this;
    const stop = (this.stop = new AbortController());
    const timer = this.timeout && setTimeout(() => stop.abort('timeout'), this.timeout);
    let end = 'load';
    let loaded = 0;
    this.tell('loadstart', 0);
    try {
      const init = { method, headers, signal: stop.signal };
      const bodyless = method === 'GET' || method === 'HEAD';
      const answer = await fetch(this.responseURL, bodyless ? init : { ...init, body });
      this.answer = answer;
      this.status = answer.status;
      this.statusText = answer.statusText;
      this.responseURL = answer.url;
      this.turn(2);
      this.turn(3);
      const bytes = await answer.arrayBuffer();
      loaded = bytes.byteLength;
      this.take(bytes, this.type || answer.headers.get('content-type') || '');
      this.tell('progress', loaded);
    } catch {
      end = stop.signal.aborted ? String(stop.signal.reason) : 'error';
      this.status = 0;
      this.answer = undefined;
    }
    clearTimeout(timer);
    if (stop === this.stop) {
      this.turn(4);
      this.tell(end, loaded);
      this.tell('loadend', loaded);
    }
  }

  private take(bytes: ArrayBuffer, type: string) {
    const text = () => new TextDecoder().decode(bytes);
    if (this.responseType === 'arraybuffer') {
      this.response = bytes;
    } else if (this.responseType === 'blob') {
      this.response = new Blob([bytes], { type });
    } else if (this.responseType === 'json') {
      try {
        this.response = JSON.parse(text());
      } catch {
        this.response = null;
      }
    } else if (this.responseType === 'document') {
      const html = /html/.test(type) ? 'text/html' : 'text/xml';
      this.response = this.responseXML = new DOMParser().parseFromString(text(), html);
    } else {
      this.response = this.responseText = text();
    }
  }

  private turn(state: number) {
    this.readyState = state;
    this.dispatchEvent(new Event('readystatechange'));
  }

  private tell(event: string, loaded: number) {
    this.dispatchEvent(new ProgressEvent(event, { loaded }));
  }
}

export function installXhr() {
  defineStates(AppRequest, ['UNSENT', 'OPENED', 'HEADERS_RECEIVED', 'LOADING', 'DONE']);
  const events = ['abort', 'error', 'load', 'loadend', 'loadstart', 'progress', 'timeout'];
  defineHandlers(AppRequest, [...events, 'readystatechange']);
  Object.assign(window, { XMLHttpRequest: AppRequest });
}
