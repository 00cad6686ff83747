// Light, dark, or as the system says. public/theme.js applies the choice before the first paint.
export type Theme = 'system' | 'light' | 'dark';
const KEY = 'spandrel.theme';
export const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

class Themes {
  choice = $state<Theme>(stored());
  #system = matchMedia('(prefers-color-scheme: dark)');
  #systemDark = $state(this.#system.matches);

  constructor() {
    this.#system.addEventListener('change', (event) => (this.#systemDark = event.matches));
  }

  /** Paper is white: dark letters for it, whatever the screen has. */
  lay(onPaper: boolean) {
    if (onPaper) document.documentElement.dataset.theme = 'light';
    else this.#show();
  }

  #show() {
    if (this.choice === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.choice;
  }

  /** What is on the screen. */
  get dark(): boolean {
    return this.choice === 'dark' || (this.choice === 'system' && this.#systemDark);
  }

  choose(theme: Theme) {
    this.choice = theme;
    this.#show();
    try {
      if (theme === 'system') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // It holds for this page only.
    }
  }
}

export const themes = new Themes();
