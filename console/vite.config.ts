// How the console is built and tested. The output is self-contained: the server's content policy
// allows scripts, styles and images of its own origin and nothing else.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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

export default defineConfig({
  plugins: [svelte(), licences()],
  resolve: {
    alias: { $lib: fileURLToPath(new URL('./src/lib', import.meta.url)) },
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
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
