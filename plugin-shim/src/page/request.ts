/** HTTP requests to the API server of a cluster, by Headlamp's own proxy. */
import { ApiProxy } from './headlamp';

export interface ClusterRequest {
  readonly method: string;
  /** Path and query below the API server's root. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request; Headlamp's own time-out does not apply. */
  readonly signal: AbortSignal;
}

/** Nobody answered; Headlamp gives it the same status as a gateway that says so. */
const UNREACHABLE = 502;
/** The request was ended before it was answered; Headlamp's word for it too. */
const TIMED_OUT = 408;

/**
 * Sends one request and resolves for every outcome.
 *
 * Headlamp answers a good status with the Response as it came, its body still a stream, and throws
 * anything else as an Error with `status` and a text. That becomes a Response again: the same status, and as
 * body a Kubernetes `Status` with the server's message. No answer at all is a 502 (nobody there) or a 408
 * (ended by `signal`). What else the server said, its headers and the Status's reason, is lost on the way.
 */
export async function request(cluster: string, request: ClusterRequest): Promise<Response> {
  const { method, path, headers, body, signal } = request;
  let stop = () => {};
  // Headlamp first asks the browser's database whether it knows the cluster, and hears no signal meanwhile.
  const ended = new Promise<Response>(resolve => {
    stop = () => resolve(failure(TIMED_OUT, 'the request was ended before it was answered'));
    signal.addEventListener('abort', stop);
  });
  const answered: Promise<Response> = ApiProxy.clusterRequest(path, {
    cluster,
    isJSON: false,
    method,
    headers: { ...headers }, // Headlamp adds its own to this object
    body,
    signal,
  }).catch(asResponse);
  try {
    return await Promise.race([answered, ended]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What Headlamp threw, as the Response that it was made from. */
function asResponse(error: unknown): Response {
  const { status, message } = Object(error) as { status?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : String(error);
  // `<status text> - <the server's message>`; over HTTP/2 there is no status text.
  const [, said] = /^[^-]* - (.*)$/s.exec(text) ?? [];
  const isError = typeof status === 'number' && status >= 400 && status <= 599;
  return failure(isError ? status : UNREACHABLE, said ?? text);
}

function failure(code: number, message: string): Response {
  return new Response(
    JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message }),
    { status: code, headers: { 'Content-Type': 'application/json' } }
  );
}
