// Goes through a page with Tab alone, as whoever has no pointer does.
//
// Not here: which pages, and what Enter does there. Invariant: each stop can be seen, shows that it
// is where the keys go, and is left by the next Tab; in a dialog all stops are in it.
import { frame } from './scenes.mjs';

const STOPS_MAX = 300;
/** The browser's own bar is behind the last stop of a dialog, and the first one behind that. */
const BAR_STOPS_MAX = 3;

/** The element that has the focus, with what can be seen of it. */
const stop = (page) =>
  page.evaluate(() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body) return null;
    // A field that is there for the keys alone is shown by its label.
    const alone = focused.matches('.visually-hidden') && focused.labels?.length;
    const element = alone ? focused.labels[focused.labels.length - 1] : focused;
    if (!window.stops.has(element)) window.stops.set(element, window.stops.size);
    const style = getComputedStyle(element);
    const { x, y, width, height } = element.getBoundingClientRect();
    const said = (element.getAttribute('aria-label') ?? element.textContent ?? '').trim();
    const kind = [element.tagName.toLowerCase(), ...element.classList].join('.');
    const at = document.elementFromPoint(x + width / 2, y + height / 2);
    const label = at?.closest('label');
    return {
      id: window.stops.get(element),
      name: `${kind} “${said.replace(/\s+/g, ' ').slice(0, 40)}”`,
      box: { x, y, width, height },
      ringed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
      shown: element.checkVisibility({ visibilityProperty: true }) && width > 0 && height > 0,
      inSight: x < innerWidth && y < innerHeight && x + width > 0 && y + height > 0,
      covered: at !== null && !element.contains(at) && !at.contains(element) && !label,
      dialog: Boolean(element.closest('dialog')),
    };
  });

/** Whether anything around the stop looks otherwise once it has lost the focus. */
async function looksFocused(page, { x, y, width, height }) {
  const size = page.viewportSize();
  const left = Math.max(0, x - 6);
  const top = Math.max(0, y - 6);
  const clip = {
    x: left,
    y: top,
    width: Math.max(1, Math.min(size.width, x + width + 6) - left),
    height: Math.max(1, Math.min(size.height, y + height + 6) - top),
  };
  const how = { clip, animations: 'disabled', caret: 'hide' };
  const focused = await page.screenshot(how);
  // The next Tab goes on from here all the same.
  await page.evaluate(() => document.activeElement?.blur());
  const other = await page.screenshot(how);
  return !focused.equals(other);
}

/** Lines that say what is wrong, and the stops in their order. */
export async function tabThrough(page, most = STOPS_MAX) {
  const faults = [];
  const stops = [];
  const modal = await page.evaluate(() => Boolean(document.querySelector('dialog[open]')));
  await page.evaluate(() => (window.stops = new Map()));
  let outside = 0;
  while (stops.length < most) {
    await page.keyboard.press('Tab');
    await frame(page);
    const here = await stop(page);
    if (!here) {
      outside += 1;
      if (modal && outside < BAR_STOPS_MAX) continue;
      break;
    }
    if (stops.some((other) => other.id === here.id)) {
      if (stops.at(-1).id === here.id && !modal) faults.push(`${here.name} holds the focus`);
      break;
    }
    stops.push(here);
    if (modal && !here.dialog) faults.push(`${here.name} is reached behind the dialog`);
    if (!here.shown) faults.push(`${here.name} has the focus and cannot be seen`);
    else if (!here.inSight) faults.push(`${here.name} has the focus out of sight`);
    else if (here.covered) faults.push(`${here.name} has the focus below something else`);
    else if (!here.ringed && !(await looksFocused(page, here.box)))
      faults.push(`${here.name} shows no focus`);
  }
  return { faults, stops };
}
