// Requests to the API: typed by its document, with the session's CSRF value and If-Match.
//
// Not here: who is signed in (session.svelte.ts). Invariant: every failure is a `Fault` with a
// sentence a person can act on, whether the server answered, a proxy did, or nobody.
import type { paths } from './schema';
import type { Problem } from './types';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
/** Paths that understand the method. */
export type PathsOf<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P][M];
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : null;
type Success<T> = T extends { responses: infer R }
  ? { [S in keyof R]: S extends 200 | 201 | 202 | 204 ? Json<R[S]> : never }[keyof R]
  : never;
type Sent<T> = T extends { requestBody: { content: { 'application/json': infer Body } } }
  ? Body
  : undefined;

/** Values of `{name}` in a path, and of its query. Absent ones are left out. */
export interface Asked {
  path?: Record<string, string>;
  query?: Record<string, string | number | boolean | null | undefined>;
  etag?: string | number;
  signal?: AbortSignal;
  idempotencyKey?: string;
}

export interface Answer<T> {
  data: T;
  /** As sent, with its quotes. */
  etag: string | null;
}

/** Something that went wrong with a request. */
export class Fault extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Problem | null;
  readonly retryAfterS: number | null;

  constructor(
    status: number,
    code: string,
    message: string,
    problem: Problem | null = null,
    retryAfterS: number | null = null,
  ) {
    super(message);
    this.name = 'Fault';
    this.status = status;
    this.code = code;
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }

  /** What the server says of one member or parameter. */
  member(path: string): string | null {
    return this.problem?.errors.find((error) => error.path === path)?.detail ?? null;
  }
}

/** The fault for an answer that is no success. */
export function faultOf(status: number, body: string, retryAfter: string | null): Fault {
  let problem: Problem | null = null;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'code' in parsed) {
      problem = { errors: [], ...(parsed as object) } as unknown as Problem;
    }
  } catch {
    // A proxy's page: the status has to do.
  }
  const seconds = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : null;
  const first = problem?.errors[0];
  const named = first ? `${first.path}: ${first.detail}` : null;
  const message = problem?.detail ?? named ?? problem?.title ?? `the server answered ${status}`;
  return new Fault(status, problem?.code ?? `http-${status}`, message, problem, seconds);
}

/** Of code of the console that does not come; the browser's words name a file nobody knows. */
export const NOT_LOADED = new Fault(
  0,
  'not-loaded',
  'The server cannot be reached, or was updated meanwhile. Try again when the state is Live.',
);

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function urlOf(path: string, asked: Asked = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = asked.path?.[name];
    if (value === undefined) throw new Error(`${path} needs ${name}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked.query ?? {})) {
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${filled}?${text}` : filled;
}

export interface ClientOptions {
  fetch?: typeof fetch;
  csrf: () => string | null;
  /**
   * The session has ended, or there never was one. True: another has begun since `path` was asked
   * with this CSRF value, and there is sense in another try.
   */
  onUnauthenticated: (path: string, csrf: string | null) => Promise<boolean>;
  /** The CSRF value is not the session's any more. False: there is no sense in another try. */
  renew?: () => Promise<boolean>;
}

/** One per page; `fetch` can be another one in tests. */
export class Client {
  readonly #fetch: typeof fetch;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  get<P extends PathsOf<'get'>>(path: P, asked?: Asked) {
    return this.#json<Success<Operation<P, 'get'>>>('GET', path, asked, undefined);
  }

  post<P extends PathsOf<'post'>>(path: P, body: Sent<Operation<P, 'post'>>, asked?: Asked) {
    return this.#json<Success<Operation<P, 'post'>>>('POST', path, asked, body);
  }

  put<P extends PathsOf<'put'>>(path: P, body: Sent<Operation<P, 'put'>>, asked?: Asked) {
    return this.#json<Success<Operation<P, 'put'>>>('PUT', path, asked, body);
  }

  patch<P extends PathsOf<'patch'>>(path: P, body: Sent<Operation<P, 'patch'>>, asked?: Asked) {
    return this.#json<Success<Operation<P, 'patch'>>>('PATCH', path, asked, body);
  }

  delete<P extends PathsOf<'delete'>>(path: P, asked?: Asked) {
    return this.#json<Success<Operation<P, 'delete'>>>('DELETE', path, asked, undefined);
  }

  /** A list in another form, e.g. CSV, with the cursor of its next page. */
  async text(path: PathsOf<'get'>, accept: string, asked?: Asked) {
    const response = await this.#send('GET', urlOf(path, asked), { accept }, undefined, asked);
    const next = /<\?cursor=([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '');
    return { text: await response.text(), next: next?.[1] ?? null };
  }

  async #json<T>(method: string, path: string, asked: Asked = {}, body: unknown): Promise<Answer<T>> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (asked.etag !== undefined) {
      headers['if-match'] = typeof asked.etag === 'number' ? `"${asked.etag}"` : asked.etag;
    }
    if (asked.idempotencyKey) headers['idempotency-key'] = asked.idempotencyKey;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await this.#send(method, urlOf(path, asked), headers, text, asked);
    const etag = response.headers.get('etag');
    const data = response.status === 204 ? null : await response.json();
    return { data: data as T, etag };
  }

  async #send(
    method: string,
    url: string,
    headers: Record<string, string>,
    body: string | undefined,
    asked: Asked = {},
  ): Promise<Response> {
    const csrf = this.#options.csrf();
    if (method !== 'GET' && csrf) headers['x-csrf-token'] = csrf;
    const init: RequestInit = { method, headers, credentials: 'same-origin' };
    if (body !== undefined) init.body = body;
    if (asked.signal) init.signal = asked.signal;
    const again = async () => {
      if (method !== 'GET') headers['x-csrf-token'] = this.#options.csrf() ?? '';
      return this.#once(url, init);
    };
    let answer = await this.#once(url, init);
    if (answer instanceof Fault && answer.code === 'csrf' && (await this.#options.renew?.())) {
      answer = await again();
    }
    // A wrong password is also 401, but no session was lost by it.
    const ended = (answer: Response | Fault) =>
      answer instanceof Fault && answer.status === 401 && !url.startsWith('/api/v1/session');
    if (ended(answer) && (await this.#options.onUnauthenticated(url, csrf))) answer = await again();
    if (!(answer instanceof Fault)) return answer;
    // The server's words speak of tokens too, which programs have.
    if (ended(answer)) throw new Fault(401, answer.code, 'your session has ended', answer.problem);
    throw answer;
  }

  async #once(url: string, init: RequestInit): Promise<Response | Fault> {
    let response: Response;
    try {
      response = await this.#fetch(url, init);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error;
      return new Fault(0, 'unreachable', 'the server cannot be reached; is it running?');
    }
    if (response.ok) return response;
    const text = await response.text();
    return faultOf(response.status, text, response.headers.get('retry-after'));
  }
}
