import { describe, expect, test } from 'vitest';
import { Client, Fault, faultOf, messageOf, urlOf } from './client';

interface Sent {
  url: string;
  method: string | undefined;
  headers: Headers;
  body: unknown;
}

function client(answer: Response | Error, csrf: string | null = 'c5rf') {
  const sent: Sent[] = [];
  let lost = 0;
  const api = new Client({
    csrf: () => csrf,
    onUnauthenticated: () => {
      lost += 1;
      return Promise.resolve(false);
    },
    fetch: (url, init) => {
      const { method, headers, body } = init ?? {};
      sent.push({ url: String(url), method, headers: new Headers(headers), body });
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  });
  return { api, sent, lost: () => lost };
}

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const problem = {
  type: 'about:blank',
  title: 'Unprocessable',
  status: 422,
  detail: null,
  instance: '/api/v1/assets',
  code: 'invalid',
  trace_id: 'abc123',
  errors: [{ path: 'filter', code: 'syntax', detail: 'no field "colour"' }],
};

async function faultFrom(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('addresses', () => {
  test('what is absent is left out, what is hostile is escaped', () => {
    const asked = {
      path: { id: 'a/b?c' },
      query: { filter: 'name eq "&#"', cursor: null, limit: 0 },
    };
    expect(urlOf('/api/v1/assets/{id}', asked)).toBe(
      '/api/v1/assets/a%2Fb%3Fc?filter=name+eq+%22%26%23%22&limit=0',
    );
    expect(urlOf('/api/v1/findings/{id}:mute', { path: { id: 'fnd_1' } })).toBe(
      '/api/v1/findings/fnd_1:mute',
    );
    expect(() => urlOf('/api/v1/assets/{id}')).toThrow('needs id');
  });
});

describe('requests', () => {
  test('reading sends no CSRF value, changing does', async () => {
    const reading = client(json({ items: [] }));
    await reading.api.get('/api/v1/sensors');
    expect(reading.sent[0]?.headers.has('x-csrf-token')).toBe(false);
    const changing = client(json({}, 200, { etag: '"8"' }));
    const asked = { path: { id: 'fnd_1' }, etag: 7 };
    const { etag } = await changing.api.patch(
      '/api/v1/findings/{id}',
      { status: 'resolved' },
      asked,
    );
    const [sent] = changing.sent;
    expect(sent?.method).toBe('PATCH');
    expect(sent?.headers.get('x-csrf-token')).toBe('c5rf');
    expect(sent?.headers.get('if-match')).toBe('"7"');
    expect(sent?.headers.get('content-type')).toBe('application/json');
    expect(sent?.body).toBe('{"status":"resolved"}');
    expect(etag).toBe('"8"');
  });

  test('an answer without a body is null', async () => {
    const { api } = client(new Response(null, { status: 204 }));
    expect((await api.delete('/api/v1/mutes/{id}', { path: { id: 'm' } })).data).toBeNull();
  });

  test('CSV comes with the cursor of its next page', async () => {
    const headers = { link: '<?cursor=abc>; rel="next"' };
    const { api, sent } = client(new Response('a\r\n1\r\n', { headers }));
    const page = await api.text('/api/v1/assets', 'text/csv', { query: { limit: 1 } });
    expect(page).toEqual({ text: 'a\r\n1\r\n', next: 'abc' });
    expect(sent[0]?.headers.get('accept')).toBe('text/csv');
  });
});

describe('failures', () => {
  test('a problem keeps its code, its trace and what is wrong where', async () => {
    const { api, lost } = client(json(problem, 422));
    const fault = await faultFrom(api.get('/api/v1/assets'));
    expect([fault.status, fault.code]).toEqual([422, 'invalid']);
    expect(fault.member('filter')).toBe('no field "colour"');
    expect(fault.message).toBe('filter: no field "colour"');
    expect(fault.problem?.trace_id).toBe('abc123');
    expect(lost()).toBe(0);
  });

  test("a proxy's page is no problem document, and still a sentence", () => {
    const fault = faultOf(502, '<html>Bad Gateway</html>', null);
    expect([fault.code, messageOf(fault)]).toEqual(['http-502', 'the server answered 502']);
  });

  test('nobody there', async () => {
    const { api } = client(new TypeError('Failed to fetch'));
    expect((await faultFrom(api.get('/api/v1/me'))).code).toBe('unreachable');
  });

  test('an ended session is told once, a wrong password is none', async () => {
    const ended = client(json({ ...problem, code: 'unauthenticated', errors: [] }, 401));
    const fault = await faultFrom(ended.api.get('/api/v1/overview'));
    expect([fault.status, fault.message]).toEqual([401, 'your session has ended']);
    expect(ended.lost()).toBe(1);
    const wrong = client(json({ ...problem, code: 'wrong-password', errors: [] }, 401));
    await faultFrom(wrong.api.post('/api/v1/session', { user: 'ada', password: 'x' }));
    expect(wrong.lost()).toBe(0);
  });

  test('429 says how long to wait', () => {
    expect(faultOf(429, JSON.stringify(problem), '12').retryAfterS).toBe(12);
    expect(faultOf(429, JSON.stringify(problem), 'Wed, 21 Oct 2026').retryAfterS).toBeNull();
  });
});

describe('a CSRF value that is no more the one of the session', () => {
  const csrf = { ...problem, status: 403, code: 'csrf', title: 'Forbidden', errors: [] };
  function renewing(answers: Response[], renewed: boolean) {
    let value = 'old';
    const sent: (string | null)[] = [];
    const api = new Client({
      csrf: () => value,
      onUnauthenticated: () => Promise.resolve(false),
      renew: () => {
        value = 'new';
        return Promise.resolve(renewed);
      },
      fetch: (_, init) => {
        sent.push(new Headers(init?.headers).get('x-csrf-token'));
        return Promise.resolve(answers.shift() ?? new Response(null, { status: 204 }));
      },
    });
    return { api, sent };
  }

  test('is read anew, and the change is sent once more', async () => {
    const { api, sent } = renewing([json(csrf, 403)], true);
    await api.delete('/api/v1/session');
    expect(sent).toEqual(['old', 'new']);
  });

  test('is not sent for ever, and not for somebody else', async () => {
    const again = renewing([json(csrf, 403), json(csrf, 403)], true);
    expect((await faultFrom(again.api.delete('/api/v1/session'))).code).toBe('csrf');
    expect(again.sent).toEqual(['old', 'new']);
    const other = renewing([json(csrf, 403)], false);
    expect((await faultFrom(other.api.delete('/api/v1/session'))).status).toBe(403);
    expect(other.sent).toEqual(['old']);
  });
});

describe('a request of a session that another has replaced', () => {
  const refusal = { ...problem, status: 401, code: 'unauthenticated', errors: [] };
  function replaced(answers: Response[], another: boolean) {
    let value = 'old';
    const asked: [string, string | null][] = [];
    const sent: (string | null)[] = [];
    const api = new Client({
      csrf: () => value,
      onUnauthenticated: (path, csrf) => {
        asked.push([path, csrf]);
        value = 'new';
        return Promise.resolve(another);
      },
      fetch: (_, init) => {
        sent.push(new Headers(init?.headers).get('x-csrf-token'));
        return Promise.resolve(answers.shift() ?? json({ user: 'vera' }));
      },
    });
    return { api, asked, sent };
  }

  test('is sent once more in the new one, with its CSRF value', async () => {
    const reading = replaced([json(refusal, 401)], true);
    expect((await reading.api.get('/api/v1/me')).data.user).toBe('vera');
    expect(reading.asked).toEqual([['/api/v1/me', 'old']]);
    const change = replaced([json(refusal, 401)], true);
    const path = { id: 'fnd_1' };
    await change.api.delete('/api/v1/findings/{id}/mute' as never, { path });
    expect(change.sent).toEqual(['old', 'new']);
  });

  test('is refused for good where there is none, or the new one is refused too', async () => {
    for (const another of [false, true]) {
      const { api, sent } = replaced([json(refusal, 401), json(refusal, 401)], another);
      const fault = await faultFrom(api.get('/api/v1/me'));
      expect(fault.message).toBe('your session has ended');
      expect(sent).toHaveLength(another ? 2 : 1);
    }
  });
});
