// The text in the browser's tab: what is open, where, and how many findings wait.
import { openFindings } from './open.svelte';

class PageTitle {
  page = $state('');
  detail = $state('');

  get text(): string {
    const count = openFindings.count > 0 ? `(${openFindings.count}) ` : '';
    return `${count}${[this.detail, this.page, 'Spandrel'].filter(Boolean).join(' · ')}`;
  }
}

export const pageTitle = new PageTitle();
