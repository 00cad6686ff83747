// Starts the real program on a free loopback port and reads from its first words where it is.
//
// Invariant: the program ends with the test, and its last words are shown when the test fails.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_MS = 90_000;

/** A server with the simulated plant and an empty data directory of its own. */
export async function startServer(program) {
  const server = new Server(program);
  await server.start();
  return server;
}

class Server {
  #program;
  #child = null;
  #log = '';
  #data = mkdtempSync(join(tmpdir(), 'spandrel-browser-'));
  /** For the first sign-in; null when an admin has a password. */
  link = null;
  url = '';

  constructor(program) {
    this.#program = program;
  }

  /** On the port it had before, if it ran before. */
  async start() {
    const port = this.url ? new URL(this.url).port : '0';
    const args = ['run', '--lab', '--data', this.#data, '--listen', `127.0.0.1:${port}`];
    const child = spawn(this.#program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (text) => (this.#log = (this.#log + text).slice(-20_000)));
    const said = await new Promise((resolve, reject) => {
      let out = '';
      const late = setTimeout(
        () => reject(new Error(`not ready in time:\n${out}${this.#log}`)),
        START_MS,
      );
      child.stdout.on('data', (text) => {
        out += text;
        // The box is closed: everything is said.
        if (!out.includes('╰')) return;
        clearTimeout(late);
        resolve(out);
      });
      child.once('exit', (code) => reject(new Error(`ended at once with ${code}:\n${this.#log}`)));
    });
    this.url = /https:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0] ?? '';
    this.link = /https:\/\/\S+\/welcome#token=\S+/.exec(said)?.[0] ?? null;
  }

  async end() {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  async stop() {
    await this.end();
    rmSync(this.#data, { recursive: true, force: true });
  }

  lastWords() {
    return this.#log.split('\n').slice(-30).join('\n');
  }
}
