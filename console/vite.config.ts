// How the console is built and tested. The output is self-contained: the server's content policy
// allows scripts, styles and images of its own origin and nothing else.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { defineConfig } from 'vitest/config';

/** Others' works that are in what the browser gets, and the file that holds their licence. */
const WORKS: [string, string, string][] = [
  ['Svelte', 'svelte', 'LICENSE.md'],
  ['uPlot', 'uplot', 'LICENSE'],
  ['Inter', '@fontsource-variable/inter', 'LICENSE'],
];

/** Writes licences.txt beside the page, from the packages that were really built in. */
function licences() {
  return {
    name: 'licences',
    generateBundle(this: { emitFile: (file: object) => void }) {
      const texts = WORKS.map(([title, name, file]) => {
        const folder = new URL(`./node_modules/${name}/`, import.meta.url);
        const { version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
        return `${title} ${version}\n\n${readFileSync(new URL(file, folder), 'utf8').trim()}\n`;
      });
      const source = texts.join(`\n${'-'.repeat(80)}\n\n`);
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source });
    },
  };
}

/** What must be there before anything shows, in bytes as they travel. */
const FIRST_BYTES_MAX = 150_000;

interface Chunk {
  type: string;
  code?: string;
  isEntry?: boolean;
  imports?: string[];
}

/** Fails the build when the scripts of the first page grow beyond their budget. */
function budget() {
  return {
    name: 'budget',
    generateBundle(this: { error: (text: string) => void }, _: unknown, files: Record<string, Chunk>) {
      const first = new Set<string>();
      const add = (name: string) => {
        if (first.has(name)) return;
        first.add(name);
        files[name]?.imports?.forEach(add);
      };
      for (const [name, file] of Object.entries(files)) if (file.isEntry) add(name);
      const bytes = [...first].reduce((sum, name) => sum + gzipSync(files[name]?.code ?? '').length, 0);
      if (bytes > FIRST_BYTES_MAX) {
        this.error(`the first page's scripts are ${bytes} bytes, ${FIRST_BYTES_MAX} at most`);
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), licences(), budget()],
  resolve: {
    alias: { $lib: fileURLToPath(new URL('./src/lib', import.meta.url)) },
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    // One sheet with the first page: Vite asks for a later page's sheet once, and where that fails
    // for a moment the page has no looks until the browser loads everything anew.
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    // The tokens are tested as they are written.
    css: true,
  },
});
