// The browser the tests drive: the system's Chromium, and pages that remember what went wrong.
//
// playwright-core is a development dependency of the console and is found there. Invariant: a word
// on the console's error channel, an exception or a refused resource is a failure, unless the test
// has said beforehand that it expects it.
import { createRequire } from 'node:module';

const fromConsole = createRequire(new URL('../../console/package.json', import.meta.url));
const { chromium } = fromConsole('playwright-core');

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--ignore-certificate-errors',
];

export function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: FLAGS, headless: true });
}

/** A page that notes each error in `page.faults`. */
export async function openPage(context) {
  const page = await context.newPage();
  // What takes a second on a quiet machine may take half a minute on a busy one.
  page.setDefaultTimeout(60_000);
  page.faults = [];
  // Status codes that are part of what is tested, e.g. 401 after signing out.
  page.expected = [];
  page.on('pageerror', (error) => page.faults.push(`exception: ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    const text = message.text();
    if (page.expected.some((pattern) => pattern.test(text))) return;
    page.faults.push(`${message.type()}: ${text} (${message.location().url})`);
  });
  return page;
}
