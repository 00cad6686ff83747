// Starts the real program on a free loopback port and reads from its first words where it is.
//
// Invariant: the program ends with the test, and its last words are shown when the test fails.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server with the simulated plant and an empty data directory of its own. */
export async function startServer(program, more = ['--lab']) {
  const data = mkdtempSync(join(tmpdir(), 'spandrel-browser-'));
  const args = ['run', '--data', data, '--listen', '127.0.0.1:0', ...more];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let log = '';
  child.stderr.on('data', (text) => (log = (log + text).slice(-20_000)));
  const link = await new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`no sign-in link within 30 s:\n${out}${log}`)),
      30_000,
    );
    child.stdout.on('data', (text) => {
      out += text;
      const found = /https:\/\/\S+\/welcome#token=\w+/.exec(out);
      if (!found) return;
      clearTimeout(late);
      resolve(found[0]);
    });
    child.once('exit', (code) => reject(new Error(`ended at once with ${code}:\n${log}`)));
  });
  return {
    link,
    url: new URL(link).origin,
    data,
    lastWords: () => log.split('\n').slice(-30).join('\n'),
    async stop() {
      if (child.exitCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }
      rmSync(data, { recursive: true, force: true });
    },
  };
}
