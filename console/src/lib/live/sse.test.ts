import { describe, expect, test, vi } from 'vitest';
import { SseParser, Watch, type Message, type WatchState } from './sse';

const STREAM =
  ': alive\n\nevent: finding\nid: 7\ndata: {"a":\ndata: 1}\n\nid: 8\ndata: x\n\nid: 9\n\n';
const MESSAGES: Message[] = [
  { id: '7', event: 'finding', data: '{"a":\n1}' },
  { id: '8', event: 'message', data: 'x' },
];

describe('the parser', () => {
  test('comments and blocks without data say nothing', () => {
    expect(new SseParser().push(STREAM)).toEqual(MESSAGES);
  });

  test.each(['\n', '\r\n', '\r'])('lines end with %j', (end) => {
    const text = `${STREAM.replaceAll('\n', end)}: end${end}`;
    expect(new SseParser().push(text)).toEqual(MESSAGES);
  });

  test('the pieces the network makes do not matter', () => {
    for (const end of ['\n', '\r\n']) {
      const text = STREAM.replaceAll('\n', end);
      for (let cut = 0; cut <= text.length; cut += 1) {
        const parser = new SseParser();
        const found = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))];
        expect(found).toEqual(MESSAGES);
      }
    }
  });

  test('a byte order mark is skipped, an id with NUL is ignored', () => {
    const text = '\uFEFFdata: a\nid: 1\n\nid: 2\0\ndata: b\n\n';
    expect(new SseParser().push(text).map((message) => message.id)).toEqual(['1', '1']);
  });
});

/** A server that answers each connection with the next of these. */
function serve(answers: (Response | Error)[], since: number | null = null) {
  const asked: (string | null)[] = [];
  const states: WatchState[] = [];
  const messages: Message[] = [];
  const waits: number[] = [];
  const calls = { reset: 0, unauthenticated: 0, signedIn: false, refused: [] as (string | null)[] };
  const watch: Watch = new Watch(
    {
      url: '/watch',
      onMessage: (message) => messages.push(message),
      onState: (state) => states.push(state),
      onReset: () => (calls.reset += 1),
      onUnauthenticated: () => {
        calls.unauthenticated += 1;
        return Promise.resolve(calls.signedIn);
      },
      onRefused: (why) => calls.refused.push(why),
      onAlive: () => undefined,
      wait: (ms) => {
        waits.push(ms);
        return Promise.resolve();
      },
      fetch: (_, init) => {
        asked.push(new Headers(init?.headers).get('last-event-id'));
        const answer = answers.shift();
        if (!answer) watch.stop();
        if (!answer || answer instanceof Error) return Promise.reject(answer ?? new Error('over'));
        return Promise.resolve(answer);
      },
    },
    since,
  );
  return { watch, asked, states, messages, waits, calls };
}

const stream = (text: string) => new Response(text, { status: 200 });

describe('the watch', () => {
  test('goes on after a break from the last revision it has seen', async () => {
    const server = serve([stream('id: 41\ndata: a\n\n'), stream('id: 42\ndata: b\n\n')], 40);
    await server.watch.run();
    expect(server.asked).toEqual(['40', '41', '42']);
    expect(server.messages.map((message) => message.data)).toEqual(['a', 'b']);
    expect(server.states).toEqual([
      'connecting',
      'live',
      'reconnecting',
      'live',
      'reconnecting',
      'stopped',
    ]);
  });

  test('waits longer after each failure, and short again after a success', async () => {
    const away = () => new Error('refused');
    const server = serve([away(), away(), away(), stream(''), away()]);
    await server.watch.run();
    expect(server.waits).toEqual([500, 1000, 2000, 500, 1000]);
  });

  test('a server without a place for one more says why, and is asked again', async () => {
    const full = JSON.stringify({ detail: '32 streams are open in your name' });
    const answers = [new Response(full, { status: 429 }), new Response('<html>', { status: 502 })];
    const server = serve([...answers, stream('data: a\n\n')]);
    await server.watch.run();
    expect(server.calls.refused).toEqual(['32 streams are open in your name', null]);
    expect(server.messages.map((message) => message.data)).toEqual(['a']);
  });

  test('the wait has an end', async () => {
    const server = serve(Array.from({ length: 12 }, () => new Error('refused')));
    await server.watch.run();
    expect(Math.max(...server.waits)).toBe(15_000);
  });

  test('410 reads the lists again and starts from now', async () => {
    const server = serve([new Response('', { status: 410 }), stream('id: 90\ndata: a\n\n')], 3);
    await server.watch.run();
    expect(server.calls.reset).toBe(1);
    expect(server.asked).toEqual(['3', null, '90']);
  });

  test('410 after an outage does not wait as long as the outage made it', async () => {
    const broken = Array.from({ length: 8 }, () => new Response('', { status: 503 }));
    const server = serve([...broken, new Response('', { status: 410 }), stream('data: a\n\n')], 3);
    await server.watch.run();
    expect(server.waits[7]).toBe(15_000);
    expect(server.waits[8]).toBe(500);
  });

  test('401 ends it: somebody has to sign in', async () => {
    const server = serve([new Response('', { status: 401 }), stream('data: never\n\n')]);
    await server.watch.run();
    expect(server.calls.unauthenticated).toBe(1);
    expect(server.messages).toEqual([]);
    expect(server.states.at(-1)).toBe('stopped');
  });

  test('401 in a session that another has replaced goes on in the other', async () => {
    const server = serve([new Response('', { status: 401 }), stream('id: 8\ndata: a\n\n')], 7);
    server.calls.signedIn = true;
    await server.watch.run();
    expect(server.asked).toEqual(['7', '7', '8']);
    expect(server.messages.map((message) => message.data)).toEqual(['a']);
  });

  test('a silent connection is given up', async () => {
    vi.useFakeTimers();
    try {
      const states: WatchState[] = [];
      const silent = new ReadableStream<Uint8Array>({ start: () => undefined });
      const watch = new Watch({
        url: '/watch',
        onMessage: () => undefined,
        onState: (state) => states.push(state),
        onReset: () => undefined,
        onUnauthenticated: () => Promise.resolve(false),
        onAlive: () => undefined,
        silenceMs: 1_000,
        wait: () => {
          watch.stop();
          return Promise.resolve();
        },
        fetch: (_, init) => {
          // As the browser's own: an aborted request breaks its body off.
          const body = silent.pipeThrough(
            new TransformStream(),
            init?.signal ? { signal: init.signal } : {},
          );
          return Promise.resolve(new Response(body));
        },
      });
      const run = watch.run();
      await vi.advanceTimersByTimeAsync(1_001);
      await run;
      expect(states).toEqual(['connecting', 'live', 'reconnecting', 'stopped']);
    } finally {
      vi.useRealTimers();
    }
  });
});
