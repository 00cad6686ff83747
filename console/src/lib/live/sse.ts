// The stream of changes: parses server-sent events, comes again after a break, tells its state.
//
// Not `EventSource`: that hides status codes, and 410 (read the lists again) and 401 (signed out)
// need different answers. Invariant: no event is handed on twice, none is lost while the server
// still knows the revision; when it does not, `onReset` is called before the next event.

export interface Message {
  id: string | null;
  event: string;
  data: string;
}

/** Bytes of a stream as text, in any pieces, to messages (HTML standard, 9.2.6). */
export class SseParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id: string | null = null;
  #start = true;

  push(text: string): Message[] {
    if (this.#start && text.length > 0) {
      this.#start = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    this.#rest += text;
    const messages: Message[] = [];
    for (;;) {
      const end = this.#rest.search(/\r\n|\n|\r/);
      if (end < 0) break;
      // A lone CR at the very end may be half of a CR LF.
      if (this.#rest[end] === '\r' && end + 1 === this.#rest.length) break;
      const line = this.#rest.slice(0, end);
      const width = this.#rest.startsWith('\r\n', end) ? 2 : 1;
      this.#rest = this.#rest.slice(end + width);
      const message = this.#line(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #line(line: string): Message | null {
    if (line === '') {
      const { event, data } = this.#take();
      if (data.length === 0) return null;
      return { id: this.#id, event: event || 'message', data: data.join('\n') };
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }

  #take() {
    const taken = { event: this.#event, data: this.#data };
    this.#event = '';
    this.#data = [];
    return taken;
  }
}

export type WatchState = 'connecting' | 'live' | 'reconnecting' | 'stopped';

export interface WatchOptions {
  url: string;
  onMessage: (message: Message) => void;
  onState: (state: WatchState) => void;
  /** The server cannot go on from where we were. */
  onReset: () => void;
  /** Whether the caller is signed in all the same, in another session. */
  onUnauthenticated: () => Promise<boolean>;
  /** The server has no place for us now; why, where it says so. */
  onRefused?: (why: string | null) => void;
  /** Any bytes came, a heartbeat too. */
  onAlive: () => void;
  fetch?: typeof fetch;
  /** Waits so many milliseconds; tests have their own. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Without a byte for so long the connection is dead: heartbeats come every 15 s. */
  silenceMs?: number;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export class Watch {
  readonly #options: WatchOptions;
  readonly #stopped = new AbortController();
  #last: string | null;
  #failures = 0;

  constructor(options: WatchOptions, since: number | null = null) {
    this.#options = options;
    this.#last = since === null ? null : String(since);
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    const { onState } = this.#options;
    const wait = this.#options.wait ?? pause;
    onState('connecting');
    while (!this.#stopped.signal.aborted) {
      const go = await this.#connection();
      if (!go || this.#stopped.signal.aborted) break;
      onState('reconnecting');
      const ms = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this.#failures, 10));
      this.#failures += 1;
      await wait(ms, this.#stopped.signal);
    }
    onState('stopped');
  }

  stop() {
    this.#stopped.abort();
  }

  /** Where another watch could go on. */
  get last(): number | null {
    return this.#last === null ? null : Number(this.#last);
  }

  /** One connection from start to end; false when there is no sense in another. */
  async #connection(): Promise<boolean> {
    const options = this.#options;
    const request = new AbortController();
    const abort = () => request.abort();
    this.#stopped.signal.addEventListener('abort', abort, { once: true });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(abort, options.silenceMs ?? 40_000);
      options.onAlive();
    };
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (this.#last !== null) headers['last-event-id'] = this.#last;
      timer = setTimeout(abort, options.silenceMs ?? 40_000);
      const send = options.fetch ?? fetch;
      const init = { headers, signal: request.signal, credentials: 'same-origin' as const };
      const response = await send(options.url, init);
      if (response.status === 401) return await options.onUnauthenticated();
      if (response.status === 410) {
        this.#last = null;
        this.#failures = 0;
        options.onReset();
        return true;
      }
      if (!response.ok || !response.body) {
        options.onRefused?.(await reasonOf(response));
        return true;
      }
      this.#failures = 0;
      options.onState('live');
      alive();
      await this.#read(response.body, alive);
    } catch {
      // Broken off: the caller of this goes on.
    } finally {
      clearTimeout(timer);
      this.#stopped.signal.removeEventListener('abort', abort);
      request.abort();
    }
    return true;
  }

  async #read(body: ReadableStream<Uint8Array>, alive: () => void) {
    const parser = new SseParser();
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      for (const message of parser.push(decoder.decode(value, { stream: true }))) {
        if (message.id !== null) this.#last = message.id;
        this.#options.onMessage(message);
      }
    }
  }
}

/** The words of a problem document; `null` where the answer is something else. */
async function reasonOf(response: Response): Promise<string | null> {
  const problem: unknown = await response.json().catch(() => null);
  if (typeof problem !== 'object' || problem === null || !('detail' in problem)) return null;
  return typeof problem.detail === 'string' ? problem.detail : null;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // Many consoles lose a server at once; they should not all come back at once.
    const timer = setTimeout(resolve, ms * (0.75 + Math.random() / 2));
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
